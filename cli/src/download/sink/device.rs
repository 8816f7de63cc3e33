//! A block device: written in place, zeros too, for something else may have been there.

use std::{
    fs::{File, OpenOptions},
    io::{Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{ChunkReader, Ready, SinkError};

/// Refuses one that is mounted or otherwise in use, and one that is too small.
pub(super) fn open(path: &Path, length: u64) -> Result<File, SinkError> {
    let wrong = |source| SinkError::Write { path: path.to_owned(), source };
    let exclusive = OFlags::EXCL.bits().cast_signed();
    let mut file =
        OpenOptions::new().write(true).custom_flags(exclusive).open(path).map_err(wrong)?;
    let device = file.seek(SeekFrom::End(0)).map_err(wrong)?;
    if device < length {
        return Err(SinkError::Small { path: path.to_owned(), device, length });
    }
    file.rewind().map_err(wrong)?;
    Ok(file)
}

pub(super) fn write(
    mut source: ChunkReader,
    mut device: File,
    path: PathBuf,
) -> Result<Ready, SinkError> {
    while let Some(bytes) = source.chunk().map_err(|_| SinkError::Silent)? {
        if let Err(source) = device.write_all(&bytes) {
            return Err(SinkError::Write { path, source });
        }
    }
    match device.sync_all() {
        Ok(()) => Ok(Ready::Device),
        Err(source) => Err(SinkError::Write { path, source }),
    }
}
