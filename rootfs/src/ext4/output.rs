//! A file that is written in large parts, and in which blocks of zeros are left alone.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use super::geometry::BLOCK_BYTES;

/// What the caches of a processor hold with ease.
const BUFFER_BYTES: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Output<'file> {
    file: &'file File,
    buffer: Box<[u8]>,
    /// Bytes of the buffer that wait.
    filled: usize,
    /// Where in the file the buffer starts.
    start: u64,
    written: u64,
}

impl<'file> Output<'file> {
    pub(super) fn new(file: &'file File) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { file, buffer, filled: 0, start: 0, written: 0 }
    }

    /// What follows goes there; to where it goes anyway costs nothing.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        if offset != self.start + self.filled as u64 {
            self.flush()?;
            self.start = offset;
        }
        Ok(())
    }

    /// Up to so many bytes, to be filled in full by the caller: what they hold is not known.
    pub(super) fn room(&mut self, most: u64) -> io::Result<&mut [u8]> {
        if self.filled == self.buffer.len() {
            self.flush()?;
        }
        let left = self.buffer.len() - self.filled;
        let length = usize::try_from(most).unwrap_or(usize::MAX).min(left);
        let start = self.filled;
        self.filled += length;
        Ok(&mut self.buffer[start..self.filled])
    }

    pub(super) fn append(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.room(bytes.len() as u64)?;
            let (now, later) = bytes.split_at(room.len());
            room.copy_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    pub(super) fn zeros(&mut self, mut length: u64) -> io::Result<()> {
        while length > 0 {
            let room = self.room(length)?;
            room.fill(0);
            length -= room.len() as u64;
        }
        Ok(())
    }

    /// Bytes at a place of their own.
    pub(super) fn put(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.seek(offset)?;
        self.append(bytes)
    }

    /// Writes what waits. Returns how many bytes were ever written.
    pub(super) fn flush(&mut self) -> io::Result<u64> {
        let waiting = &self.buffer[..self.filled];
        let mut at = 0;
        while at < waiting.len() {
            let (zeros, length) = run(&waiting[at..]);
            if !zeros {
                self.file.write_all_at(&waiting[at..at + length], self.start + at as u64)?;
                self.written += length as u64;
            }
            at += length;
        }
        self.start += self.filled as u64;
        self.filled = 0;
        Ok(self.written)
    }
}

/// How far blocks go on that all are, or all are not, zeros.
fn run(bytes: &[u8]) -> (bool, usize) {
    let mut blocks = bytes.chunks(BLOCK_BYTES);
    let first = blocks.next().unwrap_or_default();
    let zeros = is_zero(first);
    let more = blocks.take_while(|block| is_zero(block) == zeros);
    (zeros, first.len() + more.map(<[u8]>::len).sum::<usize>())
}

pub(super) fn is_zero(block: &[u8]) -> bool {
    let (words, rest) = block.as_chunks();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn zeros_are_left_out_and_the_rest_stands_where_it_belongs() {
        let mut file = tempfile::tempfile().unwrap();
        let mut output = Output::new(&file);
        output.put(4096, &[7; 100]).unwrap();
        output.zeros(3 * 4096 - 100).unwrap();
        output.append(&vec![1; BUFFER_BYTES]).unwrap();
        output.put(0, b"start").unwrap();
        assert_eq!(output.flush().unwrap(), 4096 + BUFFER_BYTES as u64 + 5);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).unwrap();
        let mut expected = vec![0; 4 * 4096 + BUFFER_BYTES];
        expected[..5].copy_from_slice(b"start");
        expected[4096..4196].fill(7);
        expected[4 * 4096..].fill(1);
        assert!(bytes == expected);
    }
}
