//! From a disk into the file system.

mod archive;
mod directories;
mod entry;
mod file;
mod source;

use std::{
    fs::{DirBuilder, File},
    io::{self, Seek, SeekFrom},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use rustix::fs::{CWD, Mode, OFlags, openat};

use self::source::Source;
use super::{Format, failure::Failure, progress::Progress};

/// What is made on the way.
const DIRECTORY_MODE: u32 = 0o755;
const FILE_MODE: u32 = 0o644;

/// Returns how much was read.
pub(super) fn unpack(
    device: &Path,
    length: u64,
    format: Format,
    path: &Path,
    progress: &Progress,
) -> Result<u64, Failure> {
    let source = open(device, length, progress)?;
    match format {
        Format::Tar => {
            make_directories(path)?;
            archive::unpack(source, path)
        }
        Format::Raw => unpack_raw(source, length, path),
    }
}

fn open<'a>(device: &Path, length: u64, progress: &'a Progress) -> Result<Source<'a>, Failure> {
    let failed = |source| Failure::Agent { what: "open the disk", source };
    let mut disk = File::open(device).map_err(failed)?;
    let disk_bytes = disk.seek(SeekFrom::End(0)).map_err(failed)?;
    disk.rewind().map_err(failed)?;
    if disk_bytes < length {
        let needed = format!("{length} bytes, more");
        return Err(Failure::TooLarge { what: "the source", needed, disk_bytes });
    }
    Ok(Source::new(disk, length, progress))
}

fn unpack_raw(mut source: Source<'_>, length: u64, path: &Path) -> Result<u64, Failure> {
    if let Some(above) = path.parent() {
        make_directories(above)?;
    }
    let failed = |what| move |source| Failure::Path { path: path.to_owned(), what, source };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::CLOEXEC;
    // A fifo without a reader would hang the opening, and is no file.
    let file = openat(CWD, path, flags | OFlags::NONBLOCK, Mode::from_raw_mode(FILE_MODE));
    let file = File::from(file.map_err(io::Error::from).map_err(failed("cannot be made"))?);
    if !file.metadata().map_err(failed("cannot be looked at"))?.is_file() {
        return Err(Failure::NotTheKind { path: path.to_owned(), expected: "a regular file" });
    }
    match file::write(&mut source, &file, length) {
        Ok(written) if written == length => Ok(length),
        Ok(_) => {
            let source = io::ErrorKind::UnexpectedEof.into();
            Err(Failure::Agent { what: "read the disk", source })
        }
        Err(file::WriteError::Read(source)) => {
            Err(Failure::Agent { what: "read the disk", source })
        }
        Err(file::WriteError::Write(errno)) => Err(failed("cannot be written")(errno.into())),
    }
}

fn make_directories(path: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(path);
    made.map_err(|source| Failure::Path {
        path: path.to_owned(),
        what: "cannot be made a directory",
        source,
    })
}
