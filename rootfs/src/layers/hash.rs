//! The digests of a layer, taken beside everything else.

use std::{
    io::{self, Read as _},
    sync::mpsc::Receiver,
};

use super::{Extent, chunk::Chunk};
use kiln_digest::{Digest, Hasher};

#[derive(Debug)]
pub(super) enum Part {
    /// As it lies there.
    Blob(Chunk),
    /// Inflated.
    Diff(Chunk),
}

/// Of the blob, which is the other where nothing is compressed, and of the tar.
pub(super) fn run(parts: &Receiver<Part>, is_plain: bool) -> (Digest, Digest) {
    let (mut blob, mut diff) = (Hasher::default(), Hasher::default());
    for part in parts {
        match part {
            Part::Blob(chunk) => blob.update(&chunk),
            Part::Diff(chunk) => diff.update(&chunk),
        }
    }
    let diff = diff.finish();
    (if is_plain { diff } else { blob.finish() }, diff)
}

pub(super) fn of(extent: &Extent) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut reader = extent.reader();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finish()),
            read => hasher.update(&buffer[..read]),
        }
    }
}
