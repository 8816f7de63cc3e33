//! The names of a directory in the order in which the engine wants them: those of each directory by
//! their bytes, and a directory before what is in it.

use std::{
    collections::HashMap,
    ffi::{CString, OsStr},
    io,
    os::{fd::OwnedFd, unix::ffi::OsStrExt as _},
    path::{Path, PathBuf},
    vec,
};

use bytes::Bytes;
use kiln_context::Matched;
use rustix::{
    fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat},
    io::Errno,
};

use super::{filter::Filter, packet::Stat, stat::stat};

/// Each holds a descriptor.
const DEEPEST: usize = 512;

#[derive(Debug, thiserror::Error)]
pub(crate) enum WalkError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} stands deeper than {DEEPEST} directories", path.display())]
    TooDeep { path: PathBuf },
}

pub(crate) struct Walk {
    root: PathBuf,
    filter: Filter,
    /// From the root to where it is.
    way: Vec<Place>,
    /// Found, and not told yet: directories that are told for what is in them.
    ready: vec::IntoIter<Stat>,
    /// Files with several names: the one that was told first.
    linked: HashMap<(u64, u64), Bytes>,
}

struct Place {
    directory: OwnedFd,
    path: Vec<u8>,
    names: vec::IntoIter<(CString, FileType)>,
    included: Matched,
    excluded: Matched,
    /// Told when something in it is.
    untold: Option<Stat>,
}

impl Walk {
    pub(crate) fn begin(root: &Path, filter: Filter) -> Result<Self, WalkError> {
        let mut walk = Self {
            root: root.to_owned(),
            filter,
            way: Vec::new(),
            ready: Vec::new().into_iter(),
            linked: HashMap::new(),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            openat(CWD, root, flags, Mode::empty()).map_err(|errno| walk.wrong(b"", errno))?;
        walk.enter(directory, Vec::new(), Matched::default(), Matched::default(), None)?;
        Ok(walk)
    }

    pub(crate) fn next(&mut self) -> Result<Option<Stat>, WalkError> {
        loop {
            if let Some(stat) = self.ready.next() {
                return Ok(Some(stat));
            }
            let Some(place) = self.way.last_mut() else { return Ok(None) };
            match place.names.next() {
                Some((name, kind)) => self.entry(&name, kind)?,
                None => drop(self.way.pop()),
            }
        }
    }

    fn enter(
        &mut self,
        directory: OwnedFd,
        path: Vec<u8>,
        included: Matched,
        excluded: Matched,
        untold: Option<Stat>,
    ) -> Result<(), WalkError> {
        if self.way.len() > DEEPEST {
            return Err(WalkError::TooDeep { path: self.whole(&path) });
        }
        let mut names = Vec::new();
        for entry in Dir::read_from(&directory).map_err(|errno| self.wrong(&path, errno))? {
            let entry = entry.map_err(|errno| self.wrong(&path, errno))?;
            if ![c".", c".."].contains(&entry.file_name()) {
                names.push((entry.file_name().to_owned(), entry.file_type()));
            }
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let names = names.into_iter();
        self.way.push(Place { directory, path, names, included, excluded, untold });
        Ok(())
    }

    fn entry(&mut self, name: &CString, kind: FileType) -> Result<(), WalkError> {
        let Some(place) = self.way.last() else { return Ok(()) };
        let mut path = Vec::with_capacity(place.path.len() + 1 + name.count_bytes());
        path.extend_from_slice(&place.path);
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(name.to_bytes());
        let sorted = self.filter.sort(&path, &place.included, &place.excluded);
        let is_directory = matches!(kind, FileType::Directory | FileType::Unknown);
        if !(sorted.is_told || is_directory && sorted.may_hold) {
            return Ok(());
        }
        let raw = match statat(&place.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(raw) => raw,
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(self.wrong(&path, errno)),
        };
        let root = self.root.as_os_str().as_bytes();
        let mut stat = match stat(&place.directory, name, root, &path, &raw) {
            Ok(stat) => stat,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(WalkError::Read { path: self.whole(&path), source }),
        };
        match FileType::from_raw_mode(raw.st_mode) {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
                let inside = openat(&place.directory, name, flags, Mode::empty())
                    .map_err(|errno| self.wrong(&path, errno))?;
                let untold = if sorted.is_told {
                    self.tell(stat);
                    None
                } else {
                    Some(stat)
                };
                self.enter(inside, path, sorted.included, sorted.excluded, untold)?;
            }
            _ if !sorted.is_told => {}
            FileType::Symlink => self.tell(stat),
            _ => {
                if raw.st_nlink > 1 {
                    match self.linked.get(&(raw.st_dev, raw.st_ino)) {
                        Some(first) => stat.link = first.clone(),
                        None => {
                            self.linked.insert((raw.st_dev, raw.st_ino), stat.path.clone());
                        }
                    }
                }
                self.tell(stat);
            }
        }
        Ok(())
    }

    fn tell(&mut self, stat: Stat) {
        let mut ready: Vec<Stat> =
            self.way.iter_mut().filter_map(|place| place.untold.take()).collect();
        ready.push(stat);
        self.ready = ready.into_iter();
    }

    fn whole(&self, path: &[u8]) -> PathBuf {
        self.root.join(OsStr::from_bytes(path))
    }

    fn wrong(&self, path: &[u8], errno: Errno) -> WalkError {
        WalkError::Read { path: self.whole(path), source: errno.into() }
    }
}
