//! A directory and what is made below it, by descriptors alone.
//!
//! Each path is resolved by the kernel with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS`, so a link that
//! stands in the way, or is swapped in at any moment, is an error and never a road. What is made is
//! made with `O_EXCL` or its like; what stood there before is unlinked, never opened.

use std::{fs::File, path::Path};

use kiln_archive::MemberPath;
use rustix::{
    fd::{AsFd, BorrowedFd, OwnedFd},
    fs::{
        AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT,
        fstat, linkat, mkdirat, openat, openat2, symlinkat, unlinkat, utimensat,
    },
    io::Errno,
};

/// Somebody else changes the tree while we make it: no reason to go on for ever.
const TRIES: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TreeError {
    #[error(
        "{path}: something else stands in its way: a link, or a file where a directory has to be"
    )]
    InTheWay { path: String },
    #[error("{path}: it links to {target}, which is no file of this archive")]
    NoSuchTarget { path: String, target: String },
    #[error("{path}: somebody changes the directory while it is written to")]
    Contended { path: String },
    #[error("cannot {what} {path}")]
    Io { what: &'static str, path: String, source: Errno },
}

#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
}

impl Tree {
    /// `path` is the caller's own word, links in it are followed.
    pub(super) fn open(path: &Path) -> Result<Self, Errno> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        Ok(Self { root: openat(CWD, path, flags, Mode::empty())? })
    }

    /// A new file in the place of whatever file or link stood there.
    pub(super) fn file(&self, path: &MemberPath, mode: u32) -> Result<File, TreeError> {
        let (parent, name) = self.place(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        replacing(&parent, name, path, "make", || {
            openat(&parent, name, flags, Mode::from_raw_mode(mode))
        })
        .map(File::from)
    }

    pub(super) fn symlink(&self, path: &MemberPath, target: &[u8]) -> Result<(), TreeError> {
        let (parent, name) = self.place(path)?;
        replacing(&parent, name, path, "make", || symlinkat(target, &parent, name))
    }

    /// One more name for a file below this root.
    pub(super) fn hard_link(
        &self,
        path: &MemberPath,
        target: &MemberPath,
    ) -> Result<(), TreeError> {
        let (parent, name) = self.place(path)?;
        let missing = || TreeError::NoSuchTarget { path: path.shown(), target: target.shown() };
        let (directory, file) = target.split();
        let directory = beneath(self.root.as_fd(), directory).map_err(|_| missing())?;
        // Held open, so that what is linked is what was looked at.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let found = openat(&directory, file, flags, Mode::empty()).map_err(|_| missing())?;
        let kind = |fd: &OwnedFd| fstat(fd).map(|stat| (stat.st_dev, stat.st_ino, stat.st_mode));
        let before = kind(&found).map_err(|_| missing())?;
        if FileType::from_raw_mode(before.2) != FileType::RegularFile {
            return Err(missing());
        }
        if path == target {
            return Ok(());
        }
        replacing(&parent, name, path, "link", || {
            linkat(&directory, file, &parent, name, AtFlags::empty())
        })?;
        let made = openat(&parent, name, flags, Mode::empty()).and_then(|made| kind(&made));
        match made {
            Ok(made) if made == before => Ok(()),
            _ => Err(TreeError::Contended { path: path.shown() }),
        }
    }

    /// A directory, which may be there already. Its owner can always write to it.
    pub(super) fn directory(&self, path: &MemberPath, mode: u32) -> Result<(), TreeError> {
        if path.is_root() {
            return Ok(());
        }
        let (parent, name) = self.place(path)?;
        match mkdirat(&parent, name, Mode::from_raw_mode(mode | 0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(TreeError::Io { what: "make", path: path.shown(), source }),
        }
        beneath(parent.as_fd(), name).map(drop).map_err(|source| wrong(path, "open", source))
    }

    /// Of what stands at `path`, which is not followed.
    pub(super) fn set_time(&self, path: &MemberPath, seconds: i64) -> Result<(), TreeError> {
        let (parent, name) = self.place(path)?;
        utimensat(&parent, name, &times(seconds), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|source| wrong(path, "set the time of", source))
    }

    /// The directory of a member, made where it is missing, and its name there.
    fn place<'a>(&self, path: &'a MemberPath) -> Result<(OwnedFd, &'a [u8]), TreeError> {
        let (directory, name) = path.split();
        match beneath(self.root.as_fd(), directory) {
            Ok(parent) => return Ok((parent, name)),
            Err(Errno::NOENT) => {}
            Err(source) => return Err(wrong(path, "open the directory of", source)),
        }
        let mut parent = beneath(self.root.as_fd(), b"")
            .map_err(|source| wrong(path, "open the directory of", source))?;
        for part in directory.split(|&byte| byte == b'/') {
            match mkdirat(&parent, part, Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(source) => return Err(wrong(path, "make the directory of", source)),
            }
            parent = beneath(parent.as_fd(), part)
                .map_err(|source| wrong(path, "open the directory of", source))?;
        }
        Ok((parent, name))
    }
}

pub(super) fn times(seconds: i64) -> Timestamps {
    let last_modification = Timespec { tv_sec: seconds, tv_nsec: 0 };
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification }
}

/// The directory at `path`, without one link on the way.
fn beneath(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let path = if path.is_empty() { b"." } else { path };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    for _ in 1..TRIES {
        match openat2(root, path, flags, Mode::empty(), resolve) {
            // Something was renamed meanwhile, and the kernel could not tell where that leads.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

fn replacing<T>(
    parent: &OwnedFd,
    name: &[u8],
    path: &MemberPath,
    what: &'static str,
    mut make: impl FnMut() -> Result<T, Errno>,
) -> Result<T, TreeError> {
    for _ in 0..TRIES {
        match make() {
            Err(Errno::EXIST) => match unlinkat(parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(source) => return Err(wrong(path, "replace", source)),
            },
            Err(source) => return Err(wrong(path, what, source)),
            Ok(made) => return Ok(made),
        }
    }
    Err(TreeError::Contended { path: path.shown() })
}

fn wrong(path: &MemberPath, what: &'static str, source: Errno) -> TreeError {
    let path = path.shown();
    match source {
        Errno::LOOP | Errno::NOTDIR | Errno::ISDIR | Errno::XDEV => TreeError::InTheWay { path },
        Errno::AGAIN => TreeError::Contended { path },
        source => TreeError::Io { what, path, source },
    }
}
