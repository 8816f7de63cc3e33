//! Where the command's bytes go: a thread of its own, for a full pipe blocks whoever writes to it.
//!
//! The queue before the thread is short, so a slow reader slows the job down and costs no memory.

mod descriptor;

use std::{io, thread};

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use self::descriptor::Descriptor;
use crate::display::printable;

/// In chunks, which are at most as large as kilnd makes them.
const QUEUE: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot write to {}", stream.name())]
pub(crate) struct OutputError {
    stream: Stream,
    source: io::Error,
}

impl OutputError {
    /// Whoever read the output went away: no reason for words.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        self.source.kind() == io::ErrorKind::BrokenPipe
    }
}

#[derive(Debug)]
pub(crate) struct Output {
    chunks: mpsc::Sender<(Stream, Bytes)>,
    result: oneshot::Receiver<Result<(), OutputError>>,
}

impl Output {
    pub(crate) fn start() -> Result<Self, OutputError> {
        let stdout = Descriptor::open(Stream::Stdout)?;
        let stderr = Descriptor::open(Stream::Stderr)?;
        let (chunks, mut queue) = mpsc::channel::<(Stream, Bytes)>(QUEUE);
        let (done, result) = oneshot::channel();
        thread::spawn(move || {
            let mut written = Ok(());
            while let Some((stream, bytes)) = queue.blocking_recv() {
                written = match stream {
                    Stream::Stdout => stdout.write_all(&bytes),
                    Stream::Stderr => stderr.write_all(&bytes),
                };
                if written.is_err() {
                    break;
                }
            }
            // Nobody listens when the command line is on its way out already.
            let _ = done.send(written);
        });
        Ok(Self { chunks, result })
    }

    /// Waits while the queue is full, which is while the reader is slow.
    pub(crate) async fn write(&mut self, stream: Stream, bytes: Bytes) -> Result<(), OutputError> {
        if self.chunks.send((stream, bytes)).await.is_ok() {
            return Ok(());
        }
        match (&mut self.result).await {
            Ok(Err(error)) => Err(error),
            // The thread leaves its queue only for an error.
            Ok(Ok(())) | Err(_) => Err(OutputError { stream, source: io::ErrorKind::Other.into() }),
        }
    }

    /// Waits until everything is written.
    pub(crate) async fn finish(self) -> Result<(), OutputError> {
        drop(self.chunks);
        self.result.await.unwrap_or(Ok(()))
    }
}

/// `None` when stdout is no terminal.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

/// Kiln's own words on stdout: tables, records, ids.
pub(crate) fn print(bytes: &[u8]) -> Result<(), OutputError> {
    Descriptor::open(Stream::Stdout)?.write_all(bytes)
}

/// One line, whoever chose its words.
pub(crate) fn print_line(text: &str) -> Result<(), OutputError> {
    print(format!("{}\n", printable(text)).as_bytes())
}

/// One line.
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), OutputError> {
    print(&json_line(value)?)
}

pub(crate) fn json_line(value: &impl Serialize) -> Result<Vec<u8>, OutputError> {
    let mut line = serde_json::to_vec(value)
        .map_err(|error| OutputError { stream: Stream::Stdout, source: error.into() })?;
    line.push(b'\n');
    Ok(line)
}
