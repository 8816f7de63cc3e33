//! What of a directory is sent, by names and `stat` alone: nothing is read.
//!
//! In the order of names, each directory before what is in it. An ignored directory is entered only
//! when something in it may be kept, and is sent only when something was.

mod stamp;

use std::{
    collections::HashMap,
    ffi::{CStr, CString},
    io,
    os::fd::OwnedFd,
    vec,
};

use bytes::Bytes;
use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat},
    io::Errno,
};

pub(crate) use self::stamp::Stamp;
use crate::{
    ignore::{Ignore, Matched},
    path::shown,
};

/// Each holds a descriptor.
const DEEPEST: usize = 512;
/// As the kernel takes them.
const LONGEST: usize = 4095;

#[derive(Clone, Debug)]
pub(crate) struct Member {
    /// Below the root.
    pub(crate) path: Vec<u8>,
    pub(crate) kind: Kind,
    pub(crate) stamp: Stamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Symlink,
    /// To the name that came first.
    HardLink(Vec<u8>),
    /// A file that is not there.
    Given(Bytes),
}

#[derive(Debug, thiserror::Error)]
pub enum WalkError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path} went away while the context was read; is something writing to it?")]
    Vanished { path: String },
    #[error("{path} stands deeper than {DEEPEST} directories")]
    TooDeep { path: String },
    #[error("{path} is a name longer than {LONGEST} bytes")]
    TooLong { path: String },
}

#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) members: Vec<Member>,
    /// What cannot stand in a tar.
    pub(crate) left_out: Vec<String>,
}

/// `always` are paths that are sent even if they are ignored.
pub(crate) fn walk(root: OwnedFd, ignore: &Ignore, always: &[Vec<u8>]) -> Result<Found, WalkError> {
    let mut walk =
        Walk { ignore, always, found: Found::default(), linked: HashMap::new(), way: Vec::new() };
    walk.enter(root, Vec::new(), Matched::default(), None)?;
    while let Some(place) = walk.way.last_mut() {
        match place.names.next() {
            Some((name, kind)) => walk.entry(&name, kind)?,
            None => drop(walk.way.pop()),
        }
    }
    Ok(walk.found)
}

struct Walk<'a> {
    ignore: &'a Ignore,
    always: &'a [Vec<u8>],
    found: Found,
    /// Files with several names, by device and inode: the name that came first.
    linked: HashMap<(u64, u64), Vec<u8>>,
    /// From the root to where it is.
    way: Vec<Place>,
}

/// A directory that is being walked.
struct Place {
    directory: OwnedFd,
    path: Vec<u8>,
    /// What is left of it.
    names: vec::IntoIter<(CString, FileType)>,
    matched: Matched,
    /// It is ignored: sent when something in it is.
    unsent: Option<Member>,
}

impl Walk<'_> {
    fn enter(
        &mut self,
        directory: OwnedFd,
        path: Vec<u8>,
        matched: Matched,
        unsent: Option<Member>,
    ) -> Result<(), WalkError> {
        if self.way.len() > DEEPEST {
            return Err(WalkError::TooDeep { path: shown(&path) });
        }
        let wrong = |error: Errno| read(&path, error);
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            if ![c".", c".."].contains(&entry.file_name()) {
                names.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        self.way.push(Place { directory, path, names: names.into_iter(), matched, unsent });
        Ok(())
    }

    fn entry(&mut self, name: &CStr, kind: FileType) -> Result<(), WalkError> {
        let Some(Place { directory, path: above, matched, .. }) = self.way.last() else {
            return Ok(());
        };
        let mut path = Vec::with_capacity(above.len() + 1 + name.count_bytes());
        path.extend_from_slice(above);
        if !above.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let (mut is_ignored, mut its) = (false, Matched::default());
        if !self.ignore.is_empty() {
            (is_ignored, its) = self.ignore.matches(&path, matched);
            is_ignored &= !self.always.contains(&path);
        }
        // Not asked for its stat where its name already says that it stays.
        let is_directory = matches!(kind, FileType::Directory | FileType::Unknown);
        if is_ignored && !(is_directory && self.may_hold(&path)) {
            return Ok(());
        }
        if path.len() > LONGEST {
            return Err(WalkError::TooLong { path: shown(&path) });
        }
        let stat = match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Err(WalkError::Vanished { path: shown(&path) }),
            Err(error) => return Err(read(&path, error)),
        };
        let stamp = Stamp::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let inside = match openat(directory, name, flags, Mode::empty()) {
                    Ok(inside) => inside,
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                        return Err(WalkError::Vanished { path: shown(&path) });
                    }
                    // What nobody may read has nothing that is kept.
                    Err(Errno::ACCESS) if is_ignored => return Ok(()),
                    Err(error) => return Err(read(&path, error)),
                };
                let member = Member { path: path.clone(), kind: Kind::Directory, stamp };
                let unsent = if is_ignored {
                    Some(member)
                } else {
                    self.push(member);
                    None
                };
                self.enter(inside, path, its, unsent)?;
            }
            _ if is_ignored => {}
            FileType::RegularFile => self.link_or(path, stamp, stat.st_nlink > 1, Kind::File),
            FileType::Symlink => self.link_or(path, stamp, stat.st_nlink > 1, Kind::Symlink),
            other => {
                let what = match other {
                    FileType::Socket => "a socket",
                    FileType::Fifo => "a fifo",
                    FileType::CharacterDevice | FileType::BlockDevice => "a device node",
                    _ => "of an unknown kind",
                };
                let path = shown(&path);
                self.found.left_out.push(format!("{path} is left out: it is {what}"));
            }
        }
        Ok(())
    }

    fn may_hold(&self, directory: &[u8]) -> bool {
        let is_below = |path: &Vec<u8>| {
            path.strip_prefix(directory).is_some_and(|below| below.starts_with(b"/"))
        };
        self.always.iter().any(is_below) || self.ignore.may_keep_in(directory)
    }

    fn link_or(&mut self, path: Vec<u8>, stamp: Stamp, has_others: bool, kind: Kind) {
        let mut kind = kind;
        if has_others {
            match self.linked.get(&stamp.identity()) {
                Some(first) => kind = Kind::HardLink(first.clone()),
                None => drop(self.linked.insert(stamp.identity(), path.clone())),
            }
        }
        self.push(Member { path, kind, stamp });
    }

    fn push(&mut self, member: Member) {
        self.found.members.extend(self.way.iter_mut().filter_map(|place| place.unsent.take()));
        self.found.members.push(member);
    }
}

fn read(path: &[u8], error: Errno) -> WalkError {
    let path = if path.is_empty() { ".".to_owned() } else { shown(path) };
    WalkError::Read { path, source: error.into() }
}
