//! One of the command's output streams on its way to the host.

use std::{
    fs::File,
    io::{self, ErrorKind, Read},
};

use bytes::{BufMut, Bytes, BytesMut};
use kiln_proto::agent::MAX_CHUNK_BYTES;
use tokio::{
    io::AsyncReadExt,
    net::unix::pipe,
    sync::watch,
    time::{Duration, Instant, sleep},
};

use super::answers::{Answers, Output};
use crate::{kmsg, transport::MAX_WRITE_BYTES};

/// A new chunk is allocated when less than this is left of the old one, so that a command that
/// writes line by line does not take a chunk for each.
const MIN_READ_BYTES: usize = 4096;

/// How long a stream of small pieces is left to grow.
const GATHER: Duration = Duration::from_millis(1);

/// What a stream may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flow {
    /// Nothing, until the host knows that the command was started.
    Held,
    Open,
    /// Give what is in the pipe and end: whoever still holds it open cannot be killed.
    Closing,
}

/// Reads as fast as the host takes it, to the pipe's end or until nothing is left when closing.
/// Returns early when the host is gone.
pub(super) async fn forward(
    mut pipe: pipe::Receiver,
    stream: Output,
    answers: &Answers,
    mut flow: watch::Receiver<Flow>,
) {
    // The sender lives as long as we are polled.
    let _ = flow.wait_for(|flow| *flow != Flow::Held).await;
    let mut buffer = BytesMut::new();
    let mut pace = Pace::default();
    loop {
        if buffer.capacity() < MIN_READ_BYTES {
            buffer.reserve(MAX_CHUNK_BYTES);
        }
        let mut chunk = (&mut buffer).limit(MAX_CHUNK_BYTES);
        let read = tokio::select! {
            read = pipe.read_buf(&mut chunk) => read,
            _ = flow.wait_for(|flow| *flow == Flow::Closing) => break,
        };
        match read {
            Ok(0) => return,
            Ok(length) => {
                if answers.output(stream, buffer.split().freeze()).await.is_err() {
                    return;
                }
                if pace.should_gather(length) {
                    tokio::select! {
                        () = sleep(GATHER) => {}
                        _ = flow.wait_for(|flow| *flow == Flow::Closing) => break,
                    }
                }
            }
            Err(error) => return failed(stream, &error),
        }
    }
    match pipe.into_nonblocking_fd() {
        Ok(pipe) => drain(File::from(pipe), stream, answers).await,
        Err(error) => failed(stream, &error),
    }
}

/// Whether a command writes much in small pieces.
#[derive(Debug, Default)]
struct Pace {
    last: Option<Instant>,
}

impl Pace {
    /// Each piece costs the wire the same, whatever its size, and the agent reads faster than most
    /// programs write: a program that keeps writing is given time to fill its pipe. What stands
    /// alone goes out at once.
    fn should_gather(&mut self, length: usize) -> bool {
        let now = Instant::now();
        let before = self.last.replace(now);
        length < MAX_WRITE_BYTES && before.is_some_and(|before| now - before < 2 * GATHER)
    }
}

/// Asks the kernel and not the runtime, whose knowledge of what is readable may be older than the
/// end of the last process.
async fn drain(mut pipe: File, stream: Output, answers: &Answers) {
    let mut buffer = vec![0; MAX_CHUNK_BYTES];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => {
                let chunk = Bytes::copy_from_slice(&buffer[..length]);
                if answers.output(stream, chunk).await.is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(error) => return failed(stream, &error),
        }
    }
}

fn failed(stream: Output, error: &io::Error) {
    kmsg::error(format_args!("{stream:?} of a command cannot be read: {error}"));
}
