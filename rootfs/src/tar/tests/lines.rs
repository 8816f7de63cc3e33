//! What a tree is, a line for each name: the same from the tree in memory and from a directory.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{self, Read as _},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
};

use sha2::{Digest as _, Sha256};

use crate::{
    sample::Sample,
    tree::{Content, Kind},
};

/// Of what is longer, only the length is compared: hashing gigabytes of zeros tells nothing.
const HASHED: u64 = 64 << 20;

pub(super) fn of_tree(sample: &Sample) -> Vec<String> {
    let mut first = BTreeMap::new();
    let mut lines = Vec::new();
    for (path, id) in sample.tree.walk() {
        let node = sample.tree.node(id);
        let first = first.entry(id).or_insert_with(|| path.clone());
        let what = if *first == path {
            match &node.kind {
                Kind::Directory(_) => "directory".to_owned(),
                Kind::File(content) => file(content.size, || content_of(sample, content)),
                Kind::Symlink(target) => format!("symlink {}", hex(target)),
                Kind::CharacterDevice { major, minor } => format!("character {major}:{minor}"),
                Kind::BlockDevice { major, minor } => format!("block {major}:{minor}"),
                Kind::Fifo => "fifo".to_owned(),
            }
        } else {
            format!("same as {}", hex(first))
        };
        let data = &node.metadata;
        let mut line = line(&path, &what, data.mode.into(), data.user, data.group);
        let _ = write!(line, " {}+{}", data.modified.seconds, data.modified.nanoseconds);
        for (name, value) in &data.attributes {
            let _ = write!(line, " {}={}", hex(name), hex(value));
        }
        lines.push(line);
    }
    lines.sort();
    lines
}

pub(super) fn of_directory(root: &Path) -> Vec<String> {
    let mut first = BTreeMap::new();
    let mut lines = Vec::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.symlink_metadata().unwrap().is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        lines.push(path);
    }
    lines.sort_by_cached_key(|path| {
        let path = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
        path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect::<Vec<_>>()
    });
    let mut lines: Vec<String> =
        lines.into_iter().map(|path| of_path(root, &path, &mut first)).collect();
    lines.sort();
    lines
}

fn of_path(root: &Path, path: &Path, first: &mut BTreeMap<u64, Vec<u8>>) -> String {
    let data = path.symlink_metadata().unwrap();
    let name = path.strip_prefix(root).unwrap().as_os_str().as_bytes();
    let first = first.entry(data.ino()).or_insert_with(|| name.to_vec());
    let kind = data.file_type();
    let device =
        || format!("{}:{}", rustix::fs::major(data.rdev()), rustix::fs::minor(data.rdev()));
    let what = if first != name {
        format!("same as {}", hex(first))
    } else if kind.is_dir() {
        "directory".to_owned()
    } else if kind.is_file() {
        file(data.len(), || fs::read(path).unwrap())
    } else if kind.is_symlink() {
        format!("symlink {}", hex(fs::read_link(path).unwrap().as_os_str().as_bytes()))
    } else if kind.is_char_device() {
        format!("character {}", device())
    } else if kind.is_block_device() {
        format!("block {}", device())
    } else {
        "fifo".to_owned()
    };
    let mut line = line(name, &what, data.mode() & 0o7777, data.uid(), data.gid());
    let _ = write!(line, " {}+{}", data.mtime(), data.mtime_nsec());
    for (name, value) in attributes(path) {
        let _ = write!(line, " {}={}", hex(&name), hex(&value));
    }
    line
}

fn attributes(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 65536];
        let length = rustix::fs::lgetxattr(path, name, &mut value).unwrap();
        value.truncate(length);
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}

fn line(path: &[u8], what: &str, mode: u32, user: u32, group: u32) -> String {
    // Linux gives every symbolic link the same mode, whatever an archive says of it.
    let mode = if what.starts_with("symlink") { 0o777 } else { mode };
    format!("{} {what} {mode:o} {user}:{group}", hex(path))
}

fn file(size: u64, bytes: impl Fn() -> Vec<u8>) -> String {
    if size > HASHED {
        return format!("file of {size}");
    }
    format!("file of {size} {}", hex(&Sha256::digest(bytes())))
}

fn content_of(sample: &Sample, content: &Content) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(content.size).unwrap()];
    for piece in &content.pieces {
        let at = usize::try_from(piece.at).unwrap();
        let length = usize::try_from(piece.length).unwrap();
        sample.store.read(piece.store, piece.offset, &mut bytes[at..at + length]).unwrap();
    }
    bytes
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("x".to_owned(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Bytes at an offset of a file that is too long to be hashed.
pub(super) fn bytes_at(path: &Path, offset: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
    let mut bytes = vec![0; length];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}
