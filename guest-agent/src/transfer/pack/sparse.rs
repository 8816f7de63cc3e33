//! Files with holes, as GNU tar writes them: a map of where data is, and the data.

use std::os::fd::BorrowedFd;

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

/// Of the archive's blocks: data of one segment fills them.
const BLOCK_BYTES: u64 = 512;
/// Readers keep the map in memory. What comes after is data, holes or not.
const MAX_SEGMENTS: usize = 16 * 1024;

/// Where a file has data, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    pub(super) segments: Vec<Segment>,
    size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Map {
    /// `None` for a file that has none to speak of, or whose file system does not say.
    pub(super) fn of(file: BorrowedFd<'_>, size: u64, blocks: u64) -> Option<Self> {
        if blocks.saturating_mul(512) >= size {
            return None;
        }
        let mut map = Self { segments: Vec::new(), size };
        let mut at = 0;
        while at < size {
            let start = match seek(file, SeekFrom::Data(at)) {
                Ok(start) => start.min(size),
                // Nothing but a hole is left.
                Err(Errno::NXIO) => break,
                Err(_) => return None,
            };
            let end = if map.segments.len() < MAX_SEGMENTS {
                seek(file, SeekFrom::Hole(start)).ok()?.min(size)
            } else {
                size
            };
            map.push(start, end);
            at = end;
            if end == start {
                break;
            }
        }
        Some(map)
    }

    /// Widened to whole blocks of the archive.
    fn push(&mut self, start: u64, end: u64) {
        let start = start / BLOCK_BYTES * BLOCK_BYTES;
        let end = end.next_multiple_of(BLOCK_BYTES).min(self.size);
        if start >= end {
            return;
        }
        match self.segments.last_mut() {
            Some(last) if last.offset + last.length >= start => last.length = end - last.offset,
            _ => self.segments.push(Segment { offset: start, length: end - start }),
        }
    }

    pub(super) fn data_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.length).sum()
    }

    /// Completes the header; what comes between it and the data is returned.
    pub(super) fn describe(&self, header: &mut Header) -> Vec<u8> {
        header.set_entry_type(tar::EntryType::GNUSparse);
        header.set_size(self.data_bytes());
        let mut segments = self.segments.clone();
        // Says where the file ends, whatever it ends with.
        segments.push(Segment { offset: self.size, length: 0 });
        let mut rest: &[Segment] = &[];
        if let Some(header) = header.as_gnu_mut() {
            header.set_real_size(self.size);
            rest = write(&segments, &mut header.sparse);
            header.set_is_extended(!rest.is_empty());
        }
        let mut further = Vec::new();
        while !rest.is_empty() {
            let mut header = GnuExtSparseHeader::new();
            rest = write(rest, header.sparse_mut());
            header.set_is_extended(!rest.is_empty());
            further.extend_from_slice(header.as_bytes());
        }
        further
    }
}

/// Returns what did not fit.
fn write<'a>(segments: &'a [Segment], slots: &mut [GnuSparseHeader]) -> &'a [Segment] {
    let (now, later) = segments.split_at(segments.len().min(slots.len()));
    for (Segment { offset, length }, slot) in now.iter().zip(slots) {
        slot.set_offset(*offset);
        slot.set_length(*length);
    }
    later
}
