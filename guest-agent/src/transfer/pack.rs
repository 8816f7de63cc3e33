//! From the file system to a disk.

mod archive;
mod content;
mod disk;
mod links;
mod names;
mod sparse;

use std::{
    fs::File,
    io::{self, Read, Write},
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

pub(super) use self::disk::Disk;
use super::{Format, failure::Failure, progress::Progress};

const COPY_BYTES: usize = 256 * 1024;

/// Returns how much was written, when it is on the disk.
pub(super) fn pack(
    device: &Path,
    format: Format,
    path: &Path,
    progress: &Progress,
) -> Result<u64, Failure> {
    let disk = Disk::open(device, progress)?;
    let disk = match format {
        Format::Tar => archive::pack(disk, path)?,
        Format::Raw => pack_raw(disk, path)?,
    };
    disk.finish()
}

fn pack_raw<'a>(mut disk: Disk<'a>, path: &Path) -> Result<Disk<'a>, Failure> {
    let failed =
        |what| move |source: io::Error| Failure::Path { path: path.to_owned(), what, source };
    // A fifo without a writer would hang the opening, and is no file.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = openat(CWD, path, flags, Mode::empty()).map_err(io::Error::from);
    let mut file = File::from(file.map_err(failed("cannot be opened"))?);
    let metadata = file.metadata().map_err(failed("cannot be looked at"))?;
    if !metadata.is_file() {
        return Err(Failure::NotTheKind { path: path.to_owned(), expected: "a regular file" });
    }
    disk.expect("the file", metadata.len())?;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => return Ok(disk),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed("cannot be read")(error)),
        };
        // It may have grown.
        disk.write_all(&buffer[..read]).map_err(|error| disk.failure("the file", error))?;
    }
}
