//! Our stdin, on its way to the command. It is read by a thread of its own, which nobody waits
//! for: a terminal at which nobody types must not hold up the exit.

use std::{
    io::{self, ErrorKind, Read},
    thread,
};

use bytes::Bytes;
use kiln_proto::v1::{self, attach_job_request::Event};
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

use crate::report;

const CHUNK: usize = 32 << 10;

/// Reads no faster than `requests` are taken, until the end of stdin or of the attachment.
pub(super) fn forward(requests: mpsc::Sender<v1::AttachJobRequest>) {
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            let event = match read(&mut chunk) {
                Ok(0) => Event::StdinClosed(v1::StdinClosed {}),
                Ok(length) => Event::Stdin(Bytes::copy_from_slice(&chunk[..length])),
                Err(error) => {
                    report::error(&format!("cannot read stdin, which ends here: {error}"));
                    Event::StdinClosed(v1::StdinClosed {})
                }
            };
            let is_end = matches!(event, Event::StdinClosed(_));
            let request = v1::AttachJobRequest { event: Some(event) };
            if requests.blocking_send(request).is_err() || is_end {
                return;
            }
        }
    });
}

fn read(chunk: &mut [u8]) -> io::Result<usize> {
    let stdin = io::stdin();
    loop {
        match stdin.lock().read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the descriptor made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll(&mut [PollFd::new(&stdin, PollFlags::IN)], None)?;
            }
            result => return result,
        }
    }
}
