//! What stands before a member's content.

use tar::{EntryType, GnuExtSparseHeader, Header};

use super::{details::Details, holes::Part};
use crate::walk::{Kind, Member};

/// What a header has room for.
const NAME: usize = 100;
const PARTS: usize = 4;
/// What eleven octal digits can say.
const LARGEST_TIME: i64 = (1 << 33) - 1;
const TYPE_PAX: u8 = b'x';
const TYPE_LONG_NAME: u8 = b'L';
const TYPE_LONG_LINK: u8 = b'K';

pub(super) fn head(member: &Member, details: &Details) -> Vec<u8> {
    let stamp = &member.stamp;
    let mut path = member.path.clone();
    let mut header = Header::new_gnu();
    let (kind, size, link) = match &member.kind {
        Kind::Directory => {
            path.push(b'/');
            (EntryType::Directory, 0, &[][..])
        }
        Kind::File => match &details.sparse {
            None => (EntryType::Regular, stamp.size, &[][..]),
            Some(parts) => {
                let stored = parts.iter().map(|part| part.length).sum();
                (EntryType::GNUSparse, stored, &[][..])
            }
        },
        Kind::Given(bytes) => (EntryType::Regular, bytes.len() as u64, &[][..]),
        Kind::Symlink => (EntryType::Symlink, 0, &details.target[..]),
        Kind::HardLink(first) => (EntryType::Link, 0, &first[..]),
    };
    header.set_entry_type(kind);
    header.set_mode(stamp.mode & 0o7777);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(stamp.modified.0.min(LARGEST_TIME)).unwrap_or_default());
    header.set_size(size);

    let mut head = Vec::with_capacity(512);
    // A second name of what came before has nothing of its own.
    if !matches!(member.kind, Kind::HardLink(_)) {
        let records = records(stamp.modified, details);
        if !records.is_empty() {
            extended(&mut head, TYPE_PAX, b"PaxHeader", &records, &[]);
        }
    }
    for (kind, name) in [(TYPE_LONG_NAME, &path[..]), (TYPE_LONG_LINK, link)] {
        if name.len() > NAME {
            // With the zero byte that ends it.
            extended(&mut head, kind, b"././@LongLink", name, &[0]);
        }
    }
    let bytes = header.as_mut_bytes();
    let cut = |name: &[u8]| name.len().min(NAME);
    bytes[..cut(&path)].copy_from_slice(&path[..cut(&path)]);
    bytes[157..157 + cut(link)].copy_from_slice(&link[..cut(link)]);
    let more = match &details.sparse {
        Some(parts) => sparse(&mut header, parts, stamp.size),
        None => Vec::new(),
    };
    header.set_cksum();
    head.extend_from_slice(header.as_bytes());
    head.extend_from_slice(&more);
    head
}

fn records((seconds, nanoseconds): (i64, u32), details: &Details) -> Vec<u8> {
    let mut records = Vec::new();
    if nanoseconds != 0 || !(0..=LARGEST_TIME).contains(&seconds) {
        let time = if seconds < 0 && nanoseconds > 0 {
            format!("-{}.{:09}", -(seconds + 1), 1_000_000_000 - nanoseconds)
        } else {
            format!("{seconds}.{nanoseconds:09}")
        };
        record(&mut records, "mtime", time.as_bytes());
    }
    for (name, value) in &details.attributes {
        record(&mut records, &format!("SCHILY.xattr.{name}"), value);
    }
    records
}

/// `LENGTH NAME=VALUE\n`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, name: &str, value: &[u8]) {
    let rest = name.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {name}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// A member that describes the next one.
fn extended(head: &mut Vec<u8>, kind: u8, name: &[u8], content: &[u8], end: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::new(kind));
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size((content.len() + end.len()) as u64);
    header.set_cksum();
    head.extend_from_slice(header.as_bytes());
    head.extend_from_slice(content);
    head.extend_from_slice(end);
    head.resize(head.len().next_multiple_of(512), 0);
}

/// The map: four parts in the header, the rest behind it.
fn sparse(header: &mut Header, parts: &[Part], size: u64) -> Vec<u8> {
    let mut parts = parts.to_vec();
    // Says where a file ends that ends with a hole.
    if parts.last().is_none_or(|last| last.offset + last.length < size) {
        parts.push(Part { offset: size, length: 0 });
    }
    let (first, rest) = parts.split_at(parts.len().min(PARTS));
    let Some(gnu) = header.as_gnu_mut() else { return Vec::new() };
    gnu.set_real_size(size);
    for (entry, part) in gnu.sparse.iter_mut().zip(first) {
        entry.set_offset(part.offset);
        entry.set_length(part.length);
    }
    gnu.set_is_extended(!rest.is_empty());
    let mut more = Vec::new();
    let mut groups = rest.chunks(21).peekable();
    while let Some(group) = groups.next() {
        let mut block = GnuExtSparseHeader::new();
        for (entry, part) in block.sparse.iter_mut().zip(group) {
            entry.set_offset(part.offset);
            entry.set_length(part.length);
        }
        block.set_is_extended(groups.peek().is_some());
        more.extend_from_slice(block.as_bytes());
    }
    more
}
