//! Where a file has nothing.

use std::os::fd::BorrowedFd;

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

use super::BLOCK;
use crate::walk::Stamp;

/// Of a smaller file, and of shorter holes in sum, nobody would notice.
const WORTHWHILE: u64 = 1 << 20;
/// A map is read into memory as a whole; what has more parts is sent with its zeros.
const MOST: usize = 10_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) offset: u64,
    pub(super) length: u64,
}

/// What is not a hole, if it is worth the map.
pub(super) fn parts(file: BorrowedFd<'_>, stamp: &Stamp) -> Result<Option<Vec<Part>>, Errno> {
    if stamp.size.saturating_sub(stamp.blocks.saturating_mul(512)) < WORTHWHILE {
        return Ok(None);
    }
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < stamp.size {
        let start = match seek(file, SeekFrom::Data(at)) {
            Ok(start) => start,
            // Nothing more until its end.
            Err(Errno::NXIO) => break,
            // A file system that does not tell.
            Err(Errno::INVAL | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        };
        let end = seek(file, SeekFrom::Hole(start))?.min(stamp.size);
        // Every part but the last has to end with a block.
        let is_whole = end == stamp.size || (end - start) % BLOCK == 0;
        if start >= end || !is_whole || parts.len() == MOST {
            return Ok(None);
        }
        parts.push(Part { offset: start, length: end - start });
        at = end;
    }
    let stored: u64 = parts.iter().map(|part| part.length).sum();
    Ok((stamp.size - stored >= WORTHWHILE).then_some(parts))
}
