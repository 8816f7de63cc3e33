//! A file that gets its name when all of it is there.
//!
//! Until then it has none, where file systems can do that: whatever ends the program leaves nothing behind.

use std::{
    fs::{self, File},
    io,
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, CWD, Mode, OFlags, linkat, openat},
    io::Errno,
};
use tempfile::TempPath;

use super::failure::Failure;

/// What a file that a program makes may be read by, before the umask.
const MODE: u32 = 0o666;
const PREFIX: &str = ".kiln-rootfs-";
const OWN_FILES: &str = "/proc/self/fd";

#[derive(Debug)]
pub(super) struct Pending {
    path: PathBuf,
    file: File,
    /// Where a file can't be without a name.
    hidden: Option<TempPath>,
}

impl Pending {
    /// What is at `path` stays as it is for now.
    pub(super) fn at(path: &Path) -> Result<Self, Failure> {
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(Failure::Taken(path.to_owned()));
        }
        let wrong = |source| Failure::Output { path: path.to_owned(), source };
        let (file, hidden) = nameless(directory(path)).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), file, hidden })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn keep(self) -> Result<(), Failure> {
        let Self { path, file, hidden } = self;
        name(&file, hidden, &path).map_err(|source| Failure::Output { path, source })
    }
}

fn nameless(directory: &Path) -> io::Result<(File, Option<TempPath>)> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    if Path::new(OWN_FILES).exists() {
        match openat(CWD, directory, flags, Mode::from_raw_mode(MODE)) {
            Ok(file) => return Ok((file.into(), None)),
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).permissions(fs::Permissions::from_mode(MODE));
    let (file, hidden) = builder.tempfile_in(directory)?.into_parts();
    Ok((file, Some(hidden)))
}

fn name(file: &File, hidden: Option<TempPath>, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    let directory = directory(path);
    let own = format!("{OWN_FILES}/{}", file.as_raw_fd());
    let link = |path: &Path| linkat(CWD, &own, CWD, path, AtFlags::SYMLINK_FOLLOW);
    match hidden {
        Some(hidden) => hidden.persist(path).map_err(|error| error.error)?,
        None => match link(path) {
            // A new name takes nobody's place, a name that there is already does.
            Err(Errno::EXIST) => {
                let mut builder = tempfile::Builder::new();
                let hidden = builder.prefix(PREFIX).make_in(directory, |path| Ok(link(path)?))?;
                hidden.persist(path).map_err(|error| error.error)?;
            }
            linked => linked?,
        },
    }
    File::open(directory)?.sync_all()
}

/// That a path stands in.
pub(super) fn directory(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
