//! The file, in lines that are written over in place.

use std::{fs::File, io, os::unix::fs::FileExt, path::Path};

const PAGE_BYTES: u64 = 4096;

#[derive(Debug)]
pub(super) struct RecordFile {
    file: File,
    /// Where the next line begins.
    end: u64,
    /// How long it may become.
    bytes: u64,
}

/// Where a line is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    offset: u64,
    length: usize,
}

#[derive(Debug)]
pub(super) enum Appended {
    At(Slot),
    NoRoom,
}

impl RecordFile {
    pub(super) fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let file = File::options().write(true).create(true).truncate(false).open(path)?;
        let end = file.metadata()?.len();
        let mut opened = Self { file, end, bytes };
        if end > 0 {
            // What was there may end in half a line. A disk that is full is tried again later.
            let _ = opened.append(b"\n", 1, bytes);
        }
        Ok(opened)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// `line`, which ends in LF, with blanks up to `length`; unless the file would be longer than
    /// `limit` then.
    pub(super) fn append(
        &mut self,
        line: &[u8],
        length: usize,
        limit: u64,
    ) -> io::Result<Appended> {
        let length = length.max(line.len());
        let left = PAGE_BYTES - self.end % PAGE_BYTES;
        // Blanks before it stand in for the rest of a page that it does not fit into.
        let blanks = if length as u64 <= left { 0 } else { left };
        let offset = self.end + blanks;
        if length as u64 > PAGE_BYTES || offset + length as u64 > limit.min(self.bytes) {
            return Ok(Appended::NoRoom);
        }
        let blanks = usize::try_from(blanks).unwrap_or(0);
        let mut text = vec![b' '; blanks];
        text.extend(padded(line, length));
        if let Err(error) = self.file.write_all_at(&text, self.end) {
            // A part of it may be there.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        self.end = offset + length as u64;
        Ok(Appended::At(Slot { offset, length }))
    }

    /// `false`: it does not fit.
    pub(super) fn rewrite(&mut self, slot: Slot, line: &[u8]) -> io::Result<bool> {
        if line.len() > slot.length {
            return Ok(false);
        }
        self.file.write_all_at(&padded(line, slot.length), slot.offset)?;
        Ok(true)
    }
}

fn padded(line: &[u8], length: usize) -> Vec<u8> {
    let mut text = line.strip_suffix(b"\n").unwrap_or(line).to_vec();
    text.resize(length.saturating_sub(1), b' ');
    text.push(b'\n');
    text
}
