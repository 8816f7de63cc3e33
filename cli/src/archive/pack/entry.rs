//! A member's header, in GNU's format: long names stand before it in members of their own.

use std::io::{self, Write};

use rustix::fs::Stat;
use tar::{EntryType, Header};

/// What a header has room for.
const NAME: usize = 100;

#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    header: Header,
    path: Vec<u8>,
    link: &'a [u8],
}

impl<'a> Entry<'a> {
    pub(super) fn file(path: &[u8], size: u64, stat: &Stat) -> Self {
        let mut entry = Self::new(EntryType::Regular, path, b"", stat);
        entry.header.set_size(size);
        entry
    }

    pub(super) fn directory(path: &[u8], stat: &Stat) -> Self {
        let mut entry = Self::new(EntryType::Directory, path, b"", stat);
        entry.path.push(b'/');
        entry
    }

    pub(super) fn symlink(path: &[u8], target: &'a [u8], stat: &Stat) -> Self {
        Self::new(EntryType::Symlink, path, target, stat)
    }

    pub(super) fn hard_link(path: &[u8], first: &'a [u8], stat: &Stat) -> Self {
        Self::new(EntryType::Link, path, first, stat)
    }

    fn new(kind: EntryType, path: &[u8], link: &'a [u8], stat: &Stat) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(stat.st_mode & 0o7777);
        header.set_uid(stat.st_uid.into());
        header.set_gid(stat.st_gid.into());
        // Older than 1970 is as old as it gets.
        header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or_default());
        header.set_size(0);
        Self { header, path: path.to_vec(), link }
    }

    pub(super) fn write(&self, into: &mut impl Write) -> io::Result<()> {
        let mut header = self.header.clone();
        for (kind, name) in [(b'L', &self.path[..]), (b'K', self.link)] {
            if name.len() > NAME {
                write_long(into, kind, name)?;
            }
        }
        let bytes = header.as_mut_bytes();
        let cut = |name: &[u8]| name.len().min(NAME);
        bytes[..cut(&self.path)].copy_from_slice(&self.path[..cut(&self.path)]);
        bytes[157..157 + cut(self.link)].copy_from_slice(&self.link[..cut(self.link)]);
        header.set_cksum();
        into.write_all(header.as_bytes())
    }
}

fn write_long(into: &mut impl Write, kind: u8, name: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::new(kind));
    let marker = b"././@LongLink";
    header.as_mut_bytes()[..marker.len()].copy_from_slice(marker);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    // With the zero byte that ends it.
    let length = name.len() + 1;
    header.set_size(length as u64);
    header.set_cksum();
    into.write_all(header.as_bytes())?;
    into.write_all(name)?;
    into.write_all(&[0; 513][..length.next_multiple_of(512) - name.len()])
}
