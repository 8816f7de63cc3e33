//! Packing a directory: names in order, modes, times and numeric owners as they are, links as
//! links. The same tree gives the same bytes. Holes are read as the zeros that they stand for.

mod entry;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use rustix::{
    fd::{AsFd, BorrowedFd},
    fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat},
    io::Errno,
};

use self::entry::Entry;
use kiln_archive::shown;

use super::merge::names;

const CHUNK: usize = 64 << 10;
/// More than a path can have, which the kernel keeps to 4096 bytes.
const DEPTH: usize = 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum PackError {
    #[error("cannot open {}", path.display())]
    Root { path: PathBuf, source: Errno },
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error(
        "{path} shrank while it was read: {read} of {size} bytes were there; is something writing to it?"
    )]
    Shrank { path: String, size: u64, read: u64 },
    #[error("{path} grew while it was read, beyond {size} bytes; is something writing to it?")]
    Grew { path: String, size: u64 },
    #[error("{path} was replaced while it was read; is something writing to its directory?")]
    Replaced { path: String },
    #[error("{path} stands deeper than {DEPTH} directories")]
    TooDeep { path: String },
    /// The other end takes no more.
    #[error("cannot pass the archive on")]
    Write(#[source] io::Error),
}

/// What is in `directory` as a tar; `warn` hears of what cannot stand in one.
pub(crate) fn pack(
    directory: &Path,
    into: impl Write,
    warn: impl FnMut(String),
) -> Result<(), PackError> {
    let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
    let wrong = |source| PackError::Root { path: directory.to_owned(), source };
    let root = openat(CWD, directory, flags, Mode::empty()).map_err(wrong)?;
    let mut packer = Packer { into, warn, linked: HashMap::new(), chunk: vec![0; CHUNK] };
    packer.directory(root.as_fd(), b"", 0)?;
    packer.into.write_all(&[0; 1024]).map_err(PackError::Write)?;
    packer.into.flush().map_err(PackError::Write)
}

struct Packer<W, F> {
    into: W,
    warn: F,
    /// Files with several names, by device and inode: the name that came first.
    linked: HashMap<(u64, u64), Vec<u8>>,
    chunk: Vec<u8>,
}

impl<W: Write, F: FnMut(String)> Packer<W, F> {
    fn directory(
        &mut self,
        directory: BorrowedFd<'_>,
        prefix: &[u8],
        depth: usize,
    ) -> Result<(), PackError> {
        if depth > DEPTH {
            return Err(PackError::TooDeep { path: shown(prefix) });
        }
        let mut names = names(directory).map_err(|error| read(prefix, error.into()))?;
        names.sort_unstable();
        for name in names {
            let path = if prefix.is_empty() { name.clone() } else { [prefix, &name].join(&b'/') };
            self.member(directory, &name, &path, depth)?;
        }
        Ok(())
    }

    fn member(
        &mut self,
        directory: BorrowedFd<'_>,
        name: &[u8],
        path: &[u8],
        depth: usize,
    ) -> Result<(), PackError> {
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(PackError::Replaced { path: shown(path) }),
            Err(error) => return Err(read(path, error.into())),
        };
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory && stat.st_nlink > 1 {
            let identity = (stat.st_dev, stat.st_ino);
            if let Some(first) = self.linked.get(&identity).cloned() {
                return self.head(&Entry::hard_link(path, &first, &stat));
            }
            if matches!(kind, FileType::RegularFile | FileType::Symlink) {
                self.linked.insert(identity, path.to_vec());
            }
        }
        match kind {
            FileType::RegularFile => {
                // What takes its place meanwhile must not hold us up, as a fifo would.
                let flags = flags | OFlags::NONBLOCK;
                let file = openat(directory, name, flags, Mode::empty())
                    .map_err(|error| read(path, error.into()))?;
                self.file(file.into(), path, &stat)
            }
            FileType::Directory => {
                let inside = openat(directory, name, flags | OFlags::DIRECTORY, Mode::empty())
                    .map_err(|error| read(path, error.into()))?;
                self.head(&Entry::directory(path, &stat))?;
                self.directory(inside.as_fd(), path, depth + 1)
            }
            FileType::Symlink => {
                let target = readlinkat(directory, name, Vec::new())
                    .map_err(|error| read(path, error.into()))?;
                self.head(&Entry::symlink(path, target.as_bytes(), &stat))
            }
            other => {
                let what = match other {
                    FileType::Socket => "a socket",
                    FileType::Fifo => "a fifo",
                    FileType::CharacterDevice | FileType::BlockDevice => "a device node",
                    _ => "of an unknown kind",
                };
                (self.warn)(format!("{} is left out: it is {what}", shown(path)));
                Ok(())
            }
        }
    }

    fn file(&mut self, mut file: File, path: &[u8], seen: &Stat) -> Result<(), PackError> {
        let stat = fstat(&file).map_err(|error| read(path, error.into()))?;
        if (stat.st_dev, stat.st_ino) != (seen.st_dev, seen.st_ino) {
            return Err(PackError::Replaced { path: shown(path) });
        }
        let size = u64::try_from(stat.st_size).unwrap_or_default();
        self.head(&Entry::file(path, size, &stat))?;
        let mut left = size;
        loop {
            let part = usize::try_from(left).unwrap_or(usize::MAX).clamp(1, CHUNK);
            match file.read(&mut self.chunk[..part]) {
                Ok(0) if left == 0 => break,
                Ok(0) => {
                    let read = size - left;
                    return Err(PackError::Shrank { path: shown(path), size, read });
                }
                Ok(_) if left == 0 => return Err(PackError::Grew { path: shown(path), size }),
                Ok(count) => {
                    self.into.write_all(&self.chunk[..count]).map_err(PackError::Write)?;
                    left -= count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(read(path, error)),
            }
        }
        let padding = usize::try_from(size.next_multiple_of(512) - size).unwrap_or_default();
        self.into.write_all(&[0; 512][..padding]).map_err(PackError::Write)
    }

    fn head(&mut self, entry: &Entry<'_>) -> Result<(), PackError> {
        entry.write(&mut self.into).map_err(PackError::Write)
    }
}

fn read(path: &[u8], source: io::Error) -> PackError {
    PackError::Read { path: shown(path), source }
}
