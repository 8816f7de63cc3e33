//! A sparse file, copied and hashed in one pass.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{SeekFrom, seek},
    io::Errno,
};

use crate::digest::Hasher;

/// All the memory that a copy needs, whatever its length.
const BUFFER_BYTES: usize = 1 << 20;
/// How much of a hole is hashed between two looks at the wish to stop.
const HOLE_BYTES: u64 = 64 << 20;

#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Stopped,
}

/// Copies the first `length` bytes, which `from` has, to the empty file `to`. What is a hole
/// becomes a hole and counts as zeros. Returns the digest.
pub(super) fn copy(
    from: &File,
    to: &File,
    length: u64,
    stop: &AtomicBool,
) -> Result<String, CopyError> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut at = 0;
    while at < length {
        let data = data_from(from, at, length).map_err(CopyError::Read)?;
        while at < data {
            proceed(stop)?;
            let part = (data - at).min(HOLE_BYTES);
            hasher.zeros(part);
            at += part;
        }
        let hole = hole_from(from, at, length).map_err(CopyError::Read)?;
        while at < hole {
            proceed(stop)?;
            let part = usize::try_from(hole - at).unwrap_or(usize::MAX).min(buffer.len());
            let part = &mut buffer[..part];
            from.read_exact_at(part, at).map_err(CopyError::Read)?;
            hasher.update(part);
            to.write_all_at(part, at).map_err(CopyError::Write)?;
            at += part.len() as u64;
        }
    }
    // A hole at the end.
    to.set_len(length).map_err(CopyError::Write)?;
    Ok(hasher.finish())
}

fn proceed(stop: &AtomicBool) -> Result<(), CopyError> {
    if stop.load(Ordering::Relaxed) { Err(CopyError::Stopped) } else { Ok(()) }
}

/// Where the next bytes are that are no hole; `length` when there are none before it.
fn data_from(file: &File, at: u64, length: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Data(at)) {
        Ok(data) => Ok(data.clamp(at, length)),
        Err(Errno::NXIO) => Ok(length),
        // A file system that knows no holes has none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(at),
        Err(error) => Err(error.into()),
    }
}

/// Where the bytes from `at` on end. The guest may be writing: that what was data at the last look
/// is a hole by now does not hurt, it is read as zeros.
fn hole_from(file: &File, at: u64, length: u64) -> io::Result<u64> {
    match seek(file, SeekFrom::Hole(at)) {
        Ok(hole) if hole > at => Ok(hole.min(length)),
        Ok(_) => Ok(length.min(at.saturating_add(BUFFER_BYTES as u64))),
        Err(Errno::INVAL | Errno::OPNOTSUPP | Errno::NXIO) => Ok(length),
        Err(error) => Err(error.into()),
    }
}
