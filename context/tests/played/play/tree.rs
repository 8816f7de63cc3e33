//! A directory that is made of bytes.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::Read,
    os::unix::{
        ffi::OsStrExt,
        fs::{FileExt, MetadataExt, PermissionsExt, symlink},
    },
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use tar::EntryType;
use tempfile::TempDir;

const MOST: usize = 16;

pub(super) struct Tree {
    base: TempDir,
}

impl Tree {
    pub(super) fn new() -> Self {
        // In memory, where that is possible: thousands are made and removed.
        let base = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self { base: base.expect("a directory") }
    }

    pub(super) fn root(&self) -> &Path {
        self.base.path()
    }

    pub(super) fn clear(&self) {
        for entry in fs::read_dir(self.root()).expect("a directory") {
            let entry = entry.expect("an entry");
            let kind = entry.file_type().expect("its kind");
            let path = entry.path();
            if kind.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
                .expect("an empty directory");
        }
    }

    /// How many there came to be. Each: its kind, the length of its name and of its content or its
    /// target, and both; the first is the ignore file's content alone.
    pub(super) fn make(&self, mut input: &[u8]) -> usize {
        let mut take = |most: usize| {
            let (part, rest) = input.split_at(most.min(input.len()));
            input = rest;
            part
        };
        let length = usize::from(take(1).first().copied().unwrap_or_default());
        let write = |path: &Path, content: &[u8]| fs::write(path, content).is_ok();
        write(&self.root().join("Dockerfile"), b"FROM scratch\n");
        write(&self.root().join(".dockerignore"), take(length));
        let mut made: Vec<PathBuf> = Vec::new();
        for _ in 0..MOST {
            let &[kind, name, content] = take(3) else { break };
            let (name, content) = (take(usize::from(name)), take(usize::from(content)));
            let is_plain = |part: &[u8]| !matches!(part, b"" | b"." | b"..");
            if name.contains(&0) || !name.split(|byte| *byte == b'/').all(is_plain) {
                continue;
            }
            let path = self.root().join(OsStr::from_bytes(name));
            let _ = path.parent().map(fs::create_dir_all);
            let done = match kind % 6 {
                0 => fs::create_dir(&path).is_ok(),
                1 => symlink(OsStr::from_bytes(content), &path).is_ok(),
                2 => made.last().is_some_and(|first| fs::hard_link(first, &path).is_ok()),
                3 => !path.exists() && sparse(&path, content),
                _ => !path.is_symlink() && write(&path, content),
            };
            if done && kind % 6 > 2 {
                let _ = fs::set_permissions(&path, fs::Permissions::from_mode(kind.into()));
                let nanoseconds = u64::from(kind) * 1_000_000_007 * content.len() as u64;
                let time = UNIX_EPOCH + Duration::from_nanos(nanoseconds);
                let _ = File::open(&path).and_then(|file| file.set_modified(time));
            }
            if done {
                made.push(path);
            }
        }
        made.len()
    }

    /// Each member is what stands there, once, its directory before it; returns how many there are.
    pub(super) fn compare(&self, whole: &[u8]) -> usize {
        let mut seen = BTreeSet::new();
        let mut archive = tar::Archive::new(whole);
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("a member");
            let name = entry.path_bytes().into_owned();
            let name = name.strip_suffix(b"/").unwrap_or(&name).to_vec();
            let path = self.root().join(OsStr::from_bytes(&name));
            let metadata = fs::symlink_metadata(&path).expect("what was packed");
            let is_first = seen.insert(name.clone());
            assert!(is_first, "{path:?} stands there twice");
            if let Some(at) = name.iter().rposition(|byte| *byte == b'/') {
                assert!(seen.contains(&name[..at]), "{path:?} before its directory");
            }
            let header = entry.header();
            let kind = header.entry_type();
            assert_eq!(header.mode().expect("a mode"), metadata.mode() & 0o7777, "{path:?}");
            assert_eq!(header.uid().expect("an owner"), 0);
            match kind {
                EntryType::Directory => assert!(metadata.is_dir(), "{path:?}"),
                EntryType::Symlink => {
                    let target = fs::read_link(&path).expect("a link");
                    let found = entry.link_name_bytes().expect("a target").into_owned();
                    assert_eq!(target.as_os_str().as_bytes(), found);
                }
                EntryType::Link => {
                    let first = entry.link_name_bytes().expect("a name").into_owned();
                    assert!(seen.contains(&first), "{path:?} before what it is");
                    let first = self.root().join(OsStr::from_bytes(&first));
                    let first = fs::symlink_metadata(first).expect("what was packed");
                    assert_eq!(first.ino(), metadata.ino(), "{path:?}");
                }
                EntryType::Regular | EntryType::GNUSparse => {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).expect("its content");
                    assert!(content == fs::read(&path).expect("a file"), "{path:?}");
                }
                other => panic!("{path:?} is {other:?}"),
            }
        }
        seen.len()
    }
}

/// Something at each of these places, in the smallest file whose holes are not sent.
fn sparse(path: &Path, places: &[u8]) -> bool {
    let Ok(file) = File::create(path) else { return false };
    let size = (1 << 20) + (128 << 10);
    let place = |byte: &u8| u64::from(byte % 8) * (128 << 10) + u64::from(*byte) * 512;
    let write = |byte: &u8| file.write_all_at(&[*byte; 3], place(byte).min(size - 3)).is_ok();
    file.set_len(size).is_ok() && places.iter().take(2).all(write)
}
