//! One entry of an archive, and how it is made.

use std::{fs::File, io::Read, os::fd::AsFd, rc::Rc};

use rustix::{
    fs::{
        AtFlags, FileType, Gid, Mode, OFlags, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
        futimens, linkat, mkdirat, mknodat, openat, symlinkat, unlinkat, utimensat,
    },
    io::Errno,
};
use tar::EntryType;

use super::{
    super::{
        attributes,
        failure::Failure,
        tree::{InvalidPlace, Place, Tree},
    },
    directories::Directories,
    file::{self, WriteError},
};

/// What an entry says of itself, checked.
pub(super) struct Entry {
    /// As the archive has it, for messages.
    path: Vec<u8>,
    /// `None` for the directory itself that is unpacked to.
    place: Option<Place>,
    kind: Kind,
    /// Of the content.
    pub(super) length: u64,
    mode: Mode,
    owner: (Uid, Gid),
    times: Timestamps,
    attributes: Vec<(String, Vec<u8>)>,
}

enum Kind {
    Directory,
    File,
    Symlink(Vec<u8>),
    HardLink(Place),
    Fifo,
}

impl Entry {
    /// `None` for what describes the archive and makes nothing.
    pub(super) fn describe<R: Read>(
        entry: &mut tar::Entry<'_, R>,
    ) -> Result<Option<Self>, Failure> {
        let path = entry.path_bytes().into_owned();
        let wrong =
            |why: String| Failure::Entry { name: String::from_utf8_lossy(&path).into_owned(), why };
        let misplaced = |invalid: InvalidPlace| wrong(invalid.to_string());
        let header = |error: std::io::Error| wrong(format!("is described wrongly: {error}"));
        let kind = match entry.header().entry_type() {
            EntryType::XGlobalHeader => return Ok(None),
            EntryType::Directory => Kind::Directory,
            // From before there were types for it.
            EntryType::Regular if path.ends_with(b"/") => Kind::Directory,
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
            EntryType::Symlink => match entry.link_name_bytes() {
                Some(target) if !target.is_empty() => Kind::Symlink(target.into_owned()),
                _ => return Err(wrong("is a link to nothing".to_owned())),
            },
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                match Place::parse(&target).map_err(misplaced)? {
                    Some(target) => Kind::HardLink(target),
                    None => return Err(wrong("is a link to nothing".to_owned())),
                }
            }
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char | EntryType::Block => {
                return Err(wrong("is a device, and a source brings none".to_owned()));
            }
            other => return Err(wrong(format!("is of an unknown type, {:?}", other.as_byte()))),
        };
        let place = Place::parse(&path).map_err(misplaced)?;
        if place.is_none() && !matches!(kind, Kind::Directory) {
            return Err(wrong("has no name".to_owned()));
        }
        let (mut modified, mut attributes) = (None, Vec::new());
        if let Some(records) = entry.pax_extensions().map_err(header)? {
            for record in records {
                let record = record.map_err(header)?;
                let Ok(name) = record.key() else { continue };
                if name == "mtime" {
                    modified = record.value().ok().and_then(timespec);
                } else if let Some(name) = name.strip_prefix(attributes::RECORD) {
                    attributes.push((name.to_owned(), record.value_bytes().to_vec()));
                }
            }
        }
        let length = entry.size();
        let header_of = entry.header();
        let id = |id: std::io::Result<u64>| {
            let id = id.map_err(header)?;
            // The largest one means "unchanged" to the kernel.
            let id = u32::try_from(id).ok().filter(|id| *id != u32::MAX);
            id.ok_or_else(|| wrong("has an owner that nobody can be".to_owned()))
        };
        let seconds = header_of.mtime().map_err(header)?;
        let modified = modified
            .unwrap_or(Timespec { tv_sec: i64::try_from(seconds).unwrap_or(0), tv_nsec: 0 });
        let entry = Self {
            place,
            kind,
            length,
            mode: Mode::from_raw_mode(header_of.mode().map_err(header)? & 0o7777),
            owner: (Uid::from_raw(id(header_of.uid())?), Gid::from_raw(id(header_of.gid())?)),
            times: Timestamps { last_access: modified, last_modification: modified },
            attributes,
            path: Vec::new(),
        };
        Ok(Some(Self { path, ..entry }))
    }

    pub(super) fn name(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }

    pub(super) fn make<R: Read>(
        &self,
        content: &mut R,
        tree: &mut Tree,
        directories: &mut Directories,
    ) -> Result<(), Failure> {
        let failed = |errno| Failure::of_entry(&self.path, errno);
        let Some(place) = &self.place else {
            return self.finish_directory(&[], tree, directories).map_err(failed);
        };
        let above = tree.make_directory(&place.directory).map_err(failed)?;
        let name = &place.name;
        match &self.kind {
            Kind::Directory => {
                match mkdirat(&above, name, Mode::RWXU) {
                    // A directory, or a link to one that is not outside.
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(failed(errno)),
                }
                self.finish_directory(&place.path(), tree, directories).map_err(failed)?;
            }
            Kind::File => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let make = || openat(&above, name, flags, Mode::RUSR | Mode::WUSR);
                let file = File::from(replace(&above, name, tree, make).map_err(failed)?);
                match file::write(content, &file, self.length) {
                    Ok(written) if written == self.length => {}
                    Ok(_) => {
                        let why = "is cut off: the archive ends within it".to_owned();
                        return Err(Failure::Entry { name: self.name(), why });
                    }
                    Err(WriteError::Read(error)) => return Err(Failure::of_archive(&error)),
                    Err(WriteError::Write(errno)) => return Err(failed(errno)),
                }
                self.finish(&file).map_err(failed)?;
                futimens(&file, &self.times).map_err(failed)?;
            }
            Kind::Symlink(target) => {
                let make = || symlinkat(&**target, &above, name);
                replace(&above, name, tree, make).map_err(failed)?;
                self.finish_nameless(&above, name).map_err(failed)?;
            }
            Kind::HardLink(target) if target == place => {}
            Kind::HardLink(target) => {
                let directory = tree.directory(&target.directory).map_err(failed)?;
                // A link to a symlink is one to the symlink itself.
                let make = || linkat(&directory, &target.name, &above, name, AtFlags::empty());
                replace(&above, name, tree, make).map_err(failed)?;
            }
            Kind::Fifo => {
                let make = || mknodat(&above, name, FileType::Fifo, self.mode, 0);
                replace(&above, name, tree, make).map_err(failed)?;
                self.finish_nameless(&above, name).map_err(failed)?;
            }
        }
        Ok(())
    }

    fn finish_directory(
        &self,
        path: &[u8],
        tree: &mut Tree,
        directories: &mut Directories,
    ) -> Result<(), Errno> {
        let directory = tree.open_below(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        self.finish(&directory)?;
        directories.push(path.to_vec(), self.times.clone(), tree);
        Ok(())
    }

    /// Owner first: giving a file away takes its set-user-ID bit and its capabilities.
    fn finish(&self, file: &impl AsFd) -> Result<(), Errno> {
        let (uid, gid) = self.owner;
        fchown(file, Some(uid), Some(gid))?;
        fchmod(file, self.mode)?;
        for (name, value) in &self.attributes {
            attributes::write(file.as_fd(), name, value)?;
        }
        Ok(())
    }

    /// What cannot be opened without side effects.
    fn finish_nameless(&self, above: &impl AsFd, name: &std::ffi::CStr) -> Result<(), Errno> {
        let (uid, gid) = self.owner;
        chownat(above, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        utimensat(above, name, &self.times, AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// Makes what must not be there yet; what is there is removed, unless it is a directory.
fn replace<T>(
    above: &Rc<std::os::fd::OwnedFd>,
    name: &std::ffi::CStr,
    tree: &mut Tree,
    make: impl Fn() -> Result<T, Errno>,
) -> Result<T, Errno> {
    match make() {
        Err(Errno::EXIST) => {
            unlinkat(above, name, AtFlags::empty())?;
            // It may have been a link on the way to the last directory.
            tree.forget_last();
            make()
        }
        made => made,
    }
}

/// As pax writes it: decimal seconds, perhaps negative, perhaps with a fraction.
fn timespec(text: &str) -> Option<Timespec> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let seconds: i64 = whole.parse().ok()?;
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = digits.fold(0, |nanos, digit| nanos * 10 + i64::from(digit - b'0'));
    Some(if whole.starts_with('-') && nanos > 0 {
        Timespec { tv_sec: seconds - 1, tv_nsec: 1_000_000_000 - nanos }
    } else {
        Timespec { tv_sec: seconds, tv_nsec: nanos }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(i64, i64)>) {
        assert_eq!(timespec(text).map(|time| (time.tv_sec, time.tv_nsec)), expected, "{text}");
    }

    #[test]
    fn times_are_read_as_pax_writes_them() {
        check("1700000000", Some((1_700_000_000, 0)));
        check("1.5", Some((1, 500_000_000)));
        check("1.0000000019", Some((1, 1)));
        check("-1.25", Some((-2, 750_000_000)));
        check("-3", Some((-3, 0)));
        check("", None);
        check("1.x", None);
        check("later", None);
    }
}
