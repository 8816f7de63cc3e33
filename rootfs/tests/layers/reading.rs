//! All that a tree is, to be compared: ours in memory, or one on a disk.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
};

use kiln_rootfs::{Content, Digest, Kind, Store, Tree};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fact {
    /// With the target of a link, the numbers of a device or the digest of a file.
    pub(crate) kind: String,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    pub(crate) modified: (i64, u32),
    pub(crate) attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The first of the paths that lead to the same.
    pub(crate) first: Vec<u8>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading(pub(crate) BTreeMap<Vec<u8>, Fact>);

impl Reading {
    pub(crate) fn of_tree(tree: &Tree, store: &Store) -> Self {
        let mut firsts = BTreeMap::new();
        let mut facts = BTreeMap::new();
        let mut all: Vec<_> = tree.walk().collect();
        all.sort();
        for (path, id) in all {
            let node = tree.node(id);
            let kind = match &node.kind {
                Kind::Directory(_) => "directory".to_owned(),
                Kind::File(content) => file(&bytes(content, store)),
                Kind::Symlink(target) => format!("link to {:?}", String::from_utf8_lossy(target)),
                Kind::CharacterDevice { major, minor } => format!("character {major} {minor}"),
                Kind::BlockDevice { major, minor } => format!("block {major} {minor}"),
                Kind::Fifo => "fifo".to_owned(),
            };
            let told = &node.metadata;
            let attributes = told.attributes.iter();
            let fact = Fact {
                kind,
                mode: told.mode.into(),
                owner: (told.user, told.group),
                modified: (told.modified.seconds, told.modified.nanoseconds),
                attributes: attributes
                    .map(|(name, value)| (name.to_vec(), value.to_vec()))
                    .collect(),
                first: firsts.entry(id).or_insert_with(|| path.clone()).clone(),
            };
            facts.insert(path, fact);
        }
        Self(facts)
    }

    /// Without following a link.
    pub(crate) fn of_directory(root: &Path) -> Self {
        let mut waiting = vec![Vec::new()];
        let mut paths = Vec::new();
        while let Some(path) = waiting.pop() {
            let place = root.join(std::ffi::OsStr::from_bytes(&path));
            if place.symlink_metadata().unwrap().is_dir() {
                for entry in fs::read_dir(&place).unwrap() {
                    let name = entry.unwrap().file_name();
                    let mut below = path.clone();
                    if !below.is_empty() {
                        below.push(b'/');
                    }
                    below.extend_from_slice(name.as_bytes());
                    waiting.push(below);
                }
            }
            paths.push(path);
        }
        paths.sort();
        let mut firsts = BTreeMap::new();
        let facts = paths.into_iter().map(|path| {
            let place = root.join(std::ffi::OsStr::from_bytes(&path));
            let told = place.symlink_metadata().unwrap();
            let kind = told.file_type();
            let major = rustix::fs::major(told.rdev());
            let minor = rustix::fs::minor(told.rdev());
            let kind = if kind.is_dir() {
                "directory".to_owned()
            } else if kind.is_file() {
                file(&fs::read(&place).unwrap())
            } else if kind.is_symlink() {
                let target = fs::read_link(&place).unwrap();
                format!("link to {:?}", target.to_string_lossy())
            } else if kind.is_char_device() {
                format!("character {major} {minor}")
            } else if kind.is_block_device() {
                format!("block {major} {minor}")
            } else {
                "fifo".to_owned()
            };
            let first = firsts.entry(told.ino()).or_insert_with(|| path.clone()).clone();
            let fact = Fact {
                kind,
                mode: told.mode() & 0o7777,
                owner: (told.uid(), told.gid()),
                modified: (told.mtime(), u32::try_from(told.mtime_nsec()).unwrap()),
                attributes: attributes(&place),
                first,
            };
            (path, fact)
        });
        Self(facts.collect())
    }

    pub(crate) fn fact(&self, path: &str) -> &Fact {
        self.0.get(path.as_bytes()).unwrap_or_else(|| panic!("{path} is not there"))
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        let shown = |(path, fact): (&Vec<u8>, &Fact)| {
            let slash = if fact.kind == "directory" { "/" } else { "" };
            format!("{}{slash}", String::from_utf8_lossy(path))
        };
        self.0.iter().skip(1).map(shown).collect()
    }

    /// Where two are not the same.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let paths: std::collections::BTreeSet<_> = self.0.keys().chain(other.0.keys()).collect();
        let differing = paths.into_iter().filter(|path| self.0.get(*path) != other.0.get(*path));
        differing
            .map(|path| {
                let (ours, theirs) = (self.0.get(path), other.0.get(path));
                format!("{}: {ours:?} and {theirs:?}", String::from_utf8_lossy(path))
            })
            .collect()
    }
}

fn file(bytes: &[u8]) -> String {
    format!("file of {} bytes, {}", bytes.len(), Digest::of(bytes))
}

pub(crate) fn bytes(content: &Content, store: &Store) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(content.size).unwrap()];
    for piece in &content.pieces {
        let at = usize::try_from(piece.at).unwrap();
        let place = &mut bytes[at..at + usize::try_from(piece.length).unwrap()];
        store.read(piece.store, piece.offset, place).unwrap();
    }
    bytes
}

fn attributes(path: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut names = vec![0; 64 << 10];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..length].split(|&byte| byte == 0).filter(|name| !name.is_empty());
    let value = |name: &[u8]| {
        let mut value = vec![0; 64 << 10];
        let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
        value.truncate(length);
        value
    };
    names.map(|name| (name.to_vec(), value(name))).collect()
}
