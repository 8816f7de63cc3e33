//! A directory as a tar: every name in the order of its bytes, so that the same tree gives the same
//! bytes. No link is followed, and no other file system is entered.

use std::{
    ffi::CStr,
    fs::File,
    io::{self, BufReader, Read},
    os::fd::AsFd,
    path::Path,
};

use rustix::{
    fs::{AtFlags, FileType, OFlags, ResolveFlags, Stat, fstat, major, minor, readlinkat, statat},
    io::Errno,
};
use tar::{Builder, EntryType, Header};

use super::super::{
    attributes,
    failure::Failure,
    tree::{Tree, below},
};
use super::{
    COPY_BYTES,
    content::{Content, Unreadable},
    disk::Disk,
    links::Links,
    names::Names,
    sparse::{Map, Segment},
};

/// Longer ones stand in an entry of their own.
const MAX_NAME_BYTES: usize = 99;
/// As messages call it.
const WHAT: &str = "the directory";

pub(super) fn pack<'a>(disk: Disk<'a>, path: &Path) -> Result<Disk<'a>, Failure> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let tree = Tree::open(path, resolve).map_err(|errno| match errno {
        Errno::NOTDIR => Failure::NotTheKind { path: path.to_owned(), expected: "a directory" },
        errno => Failure::Path {
            path: path.to_owned(),
            what: "cannot be opened as a directory",
            source: errno.into(),
        },
    })?;
    let archive = Builder::new(disk);
    let mut packer = Packer { tree, archive, links: Links::default() };
    packer.walk()?;
    let Packer { mut archive, .. } = packer;
    if let Err(error) = archive.finish() {
        return Err(archive.get_ref().failure(WHAT, error));
    }
    archive.into_inner().map_err(|source| Failure::Agent { what: "write the disk", source })
}

struct Packer<'a> {
    tree: Tree,
    archive: Builder<Disk<'a>>,
    links: Links,
}

/// A directory that is being walked.
struct Level {
    path: Vec<u8>,
    names: Names,
}

impl Packer<'_> {
    fn walk(&mut self) -> Result<(), Failure> {
        let mut levels = vec![Level { path: Vec::new(), names: Names::default() }];
        while let Some(level) = levels.last_mut() {
            let open = || self.tree.open_below(&level.path, OFlags::RDONLY | OFlags::DIRECTORY);
            match level.names.next(open) {
                Ok(Some(name)) => {
                    let above = level.path.clone();
                    if self.add(&above, &name)? {
                        let path = below(&above, name.to_bytes());
                        levels.push(Level { path, names: Names::default() });
                    }
                }
                // Gone since it was seen, or another file system is mounted there.
                Ok(None) | Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV) => {
                    levels.pop();
                }
                Err(errno) => return Err(unreadable(&level.path, errno)),
            }
        }
        Ok(())
    }

    /// Whether it is a directory, to be walked next.
    fn add(&mut self, above: &[u8], name: &CStr) -> Result<bool, Failure> {
        let path = below(above, name.to_bytes());
        let failed = |errno| unreadable(&path, errno);
        let directory = match self.tree.directory(above) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(false),
            directory => directory.map_err(failed)?,
        };
        let stat = match statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => return Ok(false),
            stat => stat.map_err(failed)?,
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Directory
            && let Some(first) =
                self.links.first_name((stat.st_dev, stat.st_ino), stat.st_nlink, &path)
        {
            let mut header = describe(&stat, EntryType::Link);
            self.name(&mut header, b'K', &first)?;
            self.append(&mut header, &path, io::empty())?;
            return Ok(false);
        }
        match kind {
            FileType::Directory => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
                if let Ok(opened) = self.tree.open_below(&path, flags) {
                    self.attributes(&opened)?;
                }
                let mut header = describe(&stat, EntryType::Directory);
                self.append(&mut header, &[&path, &b"/"[..]].concat(), io::empty())?;
                return Ok(true);
            }
            FileType::RegularFile => {
                // Whatever is there now; a fifo would hang the opening.
                let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
                let file =
                    match rustix::fs::openat(&directory, name, flags, rustix::fs::Mode::empty()) {
                        Err(Errno::NOENT | Errno::LOOP) => return Ok(false),
                        file => File::from(file.map_err(failed)?),
                    };
                self.add_file(&path, &file)?;
            }
            FileType::Symlink => {
                let target = match readlinkat(&directory, name, Vec::new()) {
                    Err(Errno::NOENT | Errno::INVAL) => return Ok(false),
                    target => target.map_err(failed)?,
                };
                let mut header = describe(&stat, EntryType::Symlink);
                self.name(&mut header, b'K', target.to_bytes())?;
                self.append(&mut header, &path, io::empty())?;
            }
            FileType::Fifo => {
                self.append(&mut describe(&stat, EntryType::Fifo), &path, io::empty())?;
            }
            FileType::CharacterDevice => self.add_device(&path, &stat, EntryType::Char)?,
            FileType::BlockDevice => self.add_device(&path, &stat, EntryType::Block)?,
            // Nothing without the process behind it.
            FileType::Socket | FileType::Unknown => {}
        }
        Ok(false)
    }

    fn add_device(&mut self, path: &[u8], stat: &Stat, kind: EntryType) -> Result<(), Failure> {
        let mut header = describe(stat, kind);
        let set = header
            .set_device_major(major(stat.st_rdev))
            .and_then(|()| header.set_device_minor(minor(stat.st_rdev)));
        set.map_err(|source| Failure::Agent { what: "describe a device", source })?;
        self.append(&mut header, path, io::empty())
    }

    /// As large as it is now, whatever becomes of it meanwhile.
    fn add_file(&mut self, path: &[u8], file: &File) -> Result<(), Failure> {
        let stat = fstat(file).map_err(|errno| unreadable(path, errno))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(());
        }
        self.attributes(file)?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let mut header = describe(&stat, EntryType::Regular);
        let blocks = u64::try_from(stat.st_blocks).unwrap_or(u64::MAX);
        let map = Map::of(file.as_fd(), size, blocks);
        let (further, segments) = match map {
            Some(map) => (map.describe(&mut header), map.segments),
            None => {
                header.set_size(size);
                (Vec::new(), vec![Segment { offset: 0, length: size }])
            }
        };
        let content = Content::new(file, &segments);
        let content = BufReader::with_capacity(COPY_BYTES, content);
        self.append(&mut header, path, further.chain(content))
    }

    fn attributes(&mut self, file: &impl AsFd) -> Result<(), Failure> {
        let attributes = attributes::read(file.as_fd());
        let mut records = Vec::new();
        for (name, value) in attributes {
            records.extend(record(&format!("{}{name}", attributes::RECORD), &value));
        }
        if records.is_empty() {
            return Ok(());
        }
        self.extension(b'x', b"././@PaxHeader", &records)
    }

    /// An entry that describes the next one. All its numbers are written: a reader that is strict
    /// takes no empty ones.
    fn extension(&mut self, kind: u8, name: &[u8], data: &[u8]) -> Result<(), Failure> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(data.len() as u64);
        header.set_entry_type(EntryType::new(kind));
        header.set_cksum();
        let appended = self.archive.append(&header, data);
        appended.map_err(|error| self.archive.get_ref().failure(WHAT, error))
    }

    fn append(&mut self, header: &mut Header, path: &[u8], data: impl Read) -> Result<(), Failure> {
        self.name(header, b'L', path)?;
        header.set_cksum();
        self.archive.append(header, data).map_err(|error| {
            match error.get_ref().and_then(|inner| inner.downcast_ref::<Unreadable>()) {
                Some(Unreadable(errno)) => unreadable(path, *errno),
                None => self.archive.get_ref().failure(WHAT, error),
            }
        })
    }

    /// Into the header, or into an entry before it where it is too long: byte by byte, as it is.
    fn name(&mut self, header: &mut Header, kind: u8, name: &[u8]) -> Result<(), Failure> {
        if name.len() > MAX_NAME_BYTES {
            // With the zero that ends it.
            self.extension(kind, b"././@LongLink", &[name, b"\0"].concat())?;
        }
        let old = header.as_old_mut();
        let field = if kind == b'K' { &mut old.linkname } else { &mut old.name };
        let length = name.len().min(MAX_NAME_BYTES);
        field[..length].copy_from_slice(&name[..length]);
        Ok(())
    }
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + " =\n".len();
    let digits = |number: usize| number.to_string().len();
    let mut length = rest + digits(rest);
    length = rest + digits(length);
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

fn describe(stat: &Stat, kind: EntryType) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(u64::from(stat.st_uid));
    header.set_gid(u64::from(stat.st_gid));
    // Before 1970 is no time that every reader knows.
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn unreadable(path: &[u8], errno: Errno) -> Failure {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let what = match errno {
        Errno::NAMETOOLONG => {
            return Failure::Entry {
                name: String::from_utf8_lossy(path).into_owned(),
                why: "lies too deep".to_owned(),
            };
        }
        _ => "cannot be read",
    };
    let path = Path::new(OsStr::from_bytes(path)).to_owned();
    Failure::Path { path, what, source: io::Error::from(errno) }
}

#[cfg(test)]
mod tests {
    use super::record;

    fn check(key: &str, value: &[u8], expected: &[u8]) {
        assert_eq!(record(key, value), expected);
    }

    #[test]
    fn a_record_counts_its_own_length() {
        check("a", b"b", b"6 a=b\n");
        check("a", b"12345", b"11 a=12345\n");
        check("abcd", b"1", b"9 abcd=1\n");
        check("abcde", b"1", b"11 abcde=1\n");
        let long = [b'x'; 92];
        check("key", &long, &[&b"101 key="[..], &long, b"\n"].concat());
    }
}
