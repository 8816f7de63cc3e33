//! Whole transfers, between directories and plain files that stand for disks.

mod contexts;
mod hostile;
mod repeated;
mod round_trip;

use std::{
    collections::BTreeMap,
    fs,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

use kiln_proto::agent::v1::disk_refused::Reason;
use tempfile::TempDir;

use super::*;

const MIB: u64 = 1 << 20;

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A directory in which each file is a disk, by the name of its serial number.
struct Files(PathBuf);

impl Disks for Files {
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
        let path = self.0.join(serial);
        if path.exists() {
            return Ok(path);
        }
        Err(NoDisk::Missing { serial: serial.to_owned(), found: Vec::new() })
    }
}

struct Machine {
    directory: TempDir,
    transfers: Transfers,
}

impl Machine {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let transfers = Transfers::new(Arc::new(Files(directory.path().join("disks"))));
        fs::create_dir(directory.path().join("disks")).unwrap();
        Self { directory, transfers }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a disk.
    fn disk(&self, serial: &str, size: u64) -> PathBuf {
        let path = self.path("disks").join(serial);
        let disk = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
        disk.unwrap().set_len(size).unwrap();
        path
    }

    fn pack(&self, serial: &str, format: Format, path: &str) -> Order {
        Order { disk: serial.to_owned(), task: Task::Pack { format, path: self.path(path) } }
    }

    fn unpack(&self, serial: &str, length: u64, format: Format, path: &str) -> Order {
        let path = self.path(path);
        Order { disk: serial.to_owned(), task: Task::Unpack { length, format, path } }
    }

    async fn carry(&self, order: Order) -> End {
        self.transfers.follow(order).unwrap().end().await
    }

    /// Unpacks these bytes.
    async fn unpack_bytes(&self, serial: &str, bytes: &[u8], path: &str) -> End {
        fs::write(self.disk(serial, 0), bytes).unwrap();
        self.carry(self.unpack(serial, bytes.len() as u64, Format::Tar, path)).await
    }
}

#[track_caller]
fn check_refused(end: &End, reason: Reason, message: &str) {
    let refused = end.as_ref().expect_err("a refusal");
    assert_eq!(refused.reason, reason, "{refused:?}");
    assert!(refused.message.contains(message), "{refused:?}");
}

/// All that is kept of a tree, by path.
fn census(root: &Path) -> BTreeMap<PathBuf, String> {
    fn visit(root: &Path, path: &Path, census: &mut BTreeMap<PathBuf, String>) {
        let metadata = fs::symlink_metadata(path).unwrap();
        let kind = metadata.file_type();
        let content = if kind.is_symlink() {
            format!("-> {:?}", fs::read_link(path).unwrap())
        } else if kind.is_file() {
            let attributes = attributes::read(File::open(path).unwrap().as_fd());
            format!("{:x} {attributes:?}", hash(&fs::read(path).unwrap()))
        } else {
            String::new()
        };
        let links = if kind.is_dir() { 0 } else { metadata.nlink() };
        let told = format!(
            "{:o} {}:{} {} links {links} {content}",
            metadata.mode(),
            metadata.uid(),
            metadata.gid(),
            metadata.mtime(),
        );
        if path != root {
            census.insert(path.strip_prefix(root).unwrap().to_owned(), told);
        }
        if kind.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                visit(root, &entry.unwrap().path(), census);
            }
        }
    }
    let mut entries = BTreeMap::new();
    visit(root, root, &mut entries);
    entries
}

fn hash(bytes: &[u8]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
