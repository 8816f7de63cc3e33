//! Bytes gathered into chunks, without those before an offset.

use std::{io, mem};

use bytes::Bytes;

use super::CHUNK;

pub(super) struct Chunks<'a> {
    buffer: Vec<u8>,
    filled: usize,
    /// What is not wanted of what comes next.
    skip: u64,
    take: &'a mut dyn FnMut(Bytes) -> io::Result<()>,
}

impl<'a> Chunks<'a> {
    pub(super) fn new(offset: u64, take: &'a mut dyn FnMut(Bytes) -> io::Result<()>) -> Self {
        Self { buffer: vec![0; CHUNK], filled: 0, skip: offset, take }
    }

    /// How much of the next `length` bytes need not be read.
    pub(super) fn skip(&mut self, length: u64) -> u64 {
        let skipped = self.skip.min(length);
        self.skip -= skipped;
        skipped
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let skipped = usize::try_from(self.skip(bytes.len() as u64)).unwrap_or(bytes.len());
        let mut bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            let room = self.room(bytes.len() as u64)?;
            let count = room.len();
            room.copy_from_slice(&bytes[..count]);
            self.filled(count);
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// For at most so many bytes, and for one at least.
    pub(super) fn room(&mut self, most: u64) -> io::Result<&mut [u8]> {
        if self.filled == CHUNK {
            self.hand_on()?;
        }
        let end = usize::try_from(most).unwrap_or(CHUNK).min(CHUNK - self.filled) + self.filled;
        Ok(&mut self.buffer[self.filled..end])
    }

    pub(super) fn filled(&mut self, count: usize) {
        self.filled += count;
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        if self.filled > 0 { self.hand_on() } else { Ok(()) }
    }

    fn hand_on(&mut self) -> io::Result<()> {
        let mut chunk = mem::replace(&mut self.buffer, vec![0; CHUNK]);
        chunk.truncate(mem::take(&mut self.filled));
        (self.take)(Bytes::from(chunk))
    }
}
