//! Chunks of a channel, as something to read from.

use std::io::{self, ErrorKind, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

#[derive(Debug)]
pub(super) struct ChunkReader {
    chunks: mpsc::Receiver<Bytes>,
    current: Bytes,
    is_over: bool,
}

impl ChunkReader {
    pub(super) fn new(chunks: mpsc::Receiver<Bytes>) -> Self {
        Self { chunks, current: Bytes::new(), is_over: false }
    }

    /// `None` at the end, which an empty chunk marks: a channel that closes without one was left.
    pub(super) fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        if self.is_over {
            return Ok(None);
        }
        let chunk = self.chunks.blocking_recv().ok_or(ErrorKind::UnexpectedEof)?;
        self.is_over = chunk.is_empty();
        Ok((!chunk.is_empty()).then_some(chunk))
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.current.is_empty() {
            match self.chunk()? {
                Some(chunk) => self.current = chunk,
                None => return Ok(0),
            }
        }
        let part = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..part]);
        Ok(part)
    }
}
