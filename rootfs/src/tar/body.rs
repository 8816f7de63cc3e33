//! The bytes that go out, counted.

use std::io::{self, BufWriter, Write};

use super::{BLOCK, TarError, ZEROS, regions::Region, shown};
use crate::{store::Store, tree::Content};

const BUFFER: usize = 256 << 10;

pub(super) struct Body<'a, W: Write> {
    store: &'a Store,
    out: BufWriter<W>,
    written: u64,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Body<'a, W> {
    pub(super) fn new(store: &'a Store, out: W) -> Self {
        let out = BufWriter::with_capacity(BUFFER, out);
        Self { store, out, written: 0, buffer: vec![0; BUFFER] }
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    /// What no piece covers of it is zeros.
    pub(super) fn region(
        &mut self,
        content: &Content,
        region: Region,
        path: &[u8],
    ) -> Result<(), TarError> {
        let mut at = region.at;
        let first = content.pieces.partition_point(|piece| piece.at < region.at);
        let pieces = content.pieces[first..].iter().take_while(|piece| piece.at < region.end());
        for piece in pieces {
            self.zeros(piece.at - at)?;
            let mut done = 0;
            while done < piece.length {
                let length = usize::try_from(piece.length - done).unwrap_or(BUFFER).min(BUFFER);
                let part = &mut self.buffer[..length];
                self.store
                    .read(piece.store, piece.offset + done, part)
                    .map_err(|source| TarError::Read { path: shown(path), source })?;
                self.out.write_all(part)?;
                self.written += length as u64;
                done += length as u64;
            }
            at = piece.at + piece.length;
        }
        self.zeros(region.end() - at)?;
        Ok(())
    }

    /// Up to the next whole block.
    pub(super) fn pad(&mut self) -> io::Result<()> {
        self.zeros(self.written.next_multiple_of(BLOCK) - self.written)
    }

    pub(super) fn finish(mut self) -> io::Result<u64> {
        self.out.flush()?;
        Ok(self.written)
    }

    fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let length = count.min(BLOCK);
            self.bytes(&ZEROS[..usize::try_from(length).unwrap_or(0)])?;
            count -= length;
        }
        Ok(())
    }
}
