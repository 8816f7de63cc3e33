//! The lines of `/etc/passwd` and `/etc/group`; a line that is none is passed over.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};

use super::name::number;

/// Ten thousand users and more.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A line of `/etc/passwd`.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    pub(super) uid: u32,
    pub(super) gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let uid = number(fields.next()?)?;
        let gid = number(fields.next()?)?;
        let _description = fields.next()?;
        Some(Self { name, uid, gid, home: fields.next()? })
    }

    /// `/` when what stands there is no directory's name.
    pub(super) fn home(&self) -> &'a str {
        if self.home.starts_with('/') && !self.home.contains('\0') { self.home } else { "/" }
    }
}

/// A line of `/etc/group`.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) name: &'a str,
    pub(super) gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        let _password = fields.next()?;
        let gid = number(fields.next()?)?;
        Some(Self { name, gid, members: fields.next().unwrap_or("") })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &'a str> {
        self.members.split(',').map(str::trim)
    }
}

pub(super) fn find_user<'a>(passwd: &'a str, name: &str) -> Option<Entry<'a>> {
    passwd.lines().filter_map(Entry::parse).find(|entry| entry.name == name)
}

pub(super) fn find_uid(passwd: &str, uid: u32) -> Option<Entry<'_>> {
    passwd.lines().filter_map(Entry::parse).find(|entry| entry.uid == uid)
}

pub(super) fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(Group::parse)
}

/// Reads a regular file. Opened without blocking: a job may have put a pipe in its place.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    File::from(file).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other("larger than 1 MiB"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
