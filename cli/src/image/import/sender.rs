//! Bytes on their way, gathered into chunks.

use std::io::{self, ErrorKind, Write};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::{display::size, progress::Progress};

const CHUNK: usize = 64 << 10;

pub(super) struct Sender<'a> {
    /// `None` is the end.
    chunks: mpsc::Sender<Option<Bytes>>,
    gathered: BytesMut,
    length: u64,
    name: String,
    progress: &'a Progress,
}

impl<'a> Sender<'a> {
    pub(super) fn new(
        chunks: mpsc::Sender<Option<Bytes>>,
        name: String,
        progress: &'a Progress,
    ) -> Self {
        Self { chunks, gathered: BytesMut::with_capacity(CHUNK), length: 0, name, progress }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.pass_on()?;
        self.send(None)
    }

    fn send(&self, chunk: Option<Bytes>) -> io::Result<()> {
        self.chunks.blocking_send(chunk).map_err(|_| ErrorKind::BrokenPipe.into())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = self.gathered.split().freeze();
        self.length += chunk.len() as u64;
        self.send(Some(chunk))?;
        self.gathered.reserve(CHUNK);
        self.progress.say(format!("sending {}: {}", self.name, size(self.length)));
        Ok(())
    }
}

impl Write for Sender<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = CHUNK - self.gathered.len();
        let part = &bytes[..bytes.len().min(room)];
        self.gathered.extend_from_slice(part);
        if self.gathered.len() == CHUNK {
            self.pass_on()?;
        }
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
