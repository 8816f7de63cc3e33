//! Our stdin, on its way to the command. It is read by a thread of its own, which nobody waits
//! for: a terminal at which nobody types must not hold up the exit.

mod kept;

use std::{
    io::{self, ErrorKind, Read},
    thread,
};

use bytes::Bytes;
use rustix::event::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;

pub(crate) use self::kept::{Kept, StdinError};
use crate::report;

const CHUNK: usize = 32 << 10;

/// Read no faster than it is taken; closed at its end.
pub(crate) fn read() -> mpsc::Receiver<Bytes> {
    let (sender, chunks) = mpsc::channel(1);
    thread::spawn(move || {
        let mut chunk = vec![0; CHUNK];
        loop {
            match read_some(&mut chunk) {
                Ok(0) => return,
                Ok(length) => {
                    if sender.blocking_send(Bytes::copy_from_slice(&chunk[..length])).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    return report::error(&format!("cannot read stdin, which ends here: {error}"));
                }
            }
        }
    });
    chunks
}

fn read_some(chunk: &mut [u8]) -> io::Result<usize> {
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
