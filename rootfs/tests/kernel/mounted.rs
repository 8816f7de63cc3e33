//! The tree as the kernel of this machine sees it.

use std::{
    collections::{BTreeMap, HashMap},
    ffi::OsStr,
    fs::{self, Metadata},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{FileExt as _, FileTypeExt as _, MetadataExt as _},
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use crate::{Content, Kind, NodeId, image::Image, plot::Plot};

/// A mounted image; it ends with its test.
pub(crate) struct Mounted {
    directory: TempDir,
}

impl Mounted {
    pub(crate) fn of(image: &Image, options: &str) -> Self {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", options]).arg(image.path()).arg(directory.path());
        let output = mount.output().expect("mount is needed (Debian: mount)");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "mount: {told}");
        Self { directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // A child that another test is just starting holds what is open here until it runs its program.
        let unmounted = (0..100).any(|_| {
            let done = Command::new("umount").arg(self.path()).stderr(Stdio::null()).status();
            let done = done.is_ok_and(|status| status.success());
            if !done {
                thread::sleep(Duration::from_millis(100));
            }
            done
        });
        assert!(unmounted, "{} stays mounted", self.path().display());
    }
}

/// Everything that the tree says, and which names share a file.
pub(crate) fn check(image: &Image, plot: &Plot) {
    let mounted = Mounted::of(image, "loop,ro");
    let mut numbers: HashMap<u64, NodeId> = HashMap::new();
    let links = plot.tree.links();
    for (name, id) in plot.tree.walk() {
        let path = mounted.path().join(OsStr::from_bytes(&name));
        let node = plot.tree.node(id);
        let read = fs::symlink_metadata(&path).unwrap();
        assert_eq!(*numbers.entry(read.ino()).or_insert(id), id, "{}", path.display());
        let expected = &node.metadata;
        let modified = (expected.modified.seconds, i64::from(expected.modified.nanoseconds));
        assert_eq!(read.mode() & 0o7777, u32::from(expected.mode), "{}", path.display());
        assert_eq!((read.uid(), read.gid()), (expected.user, expected.group), "{}", path.display());
        assert_eq!((read.mtime(), read.mtime_nsec()), modified, "{}", path.display());
        assert_eq!(attributes(&path), expected.attributes, "{}", path.display());
        check_kind(&path, &read, &node.kind, plot);
        if !read.is_dir() {
            assert_eq!(read.nlink(), u64::from(links[&id]), "{}", path.display());
        }
    }
}

fn check_kind(path: &Path, read: &Metadata, kind: &Kind, plot: &Plot) {
    let name = path.display();
    let device = |major, minor| rustix::fs::makedev(major, minor);
    match kind {
        Kind::Directory(children) => {
            let listed = fs::read_dir(path).unwrap();
            let mut names: Vec<_> =
                listed.map(|entry| entry.unwrap().file_name().into_vec()).collect();
            names.sort();
            // Only the root has one more than the tree.
            names.retain(|name| name != b"lost+found" || children.contains_key(&name[..]));
            let expected: Vec<_> = children.keys().map(|name| name.to_vec()).collect();
            assert!(names == expected, "{name}");
        }
        Kind::File(content) => {
            assert!(read.is_file(), "{name}");
            assert_eq!(read.size(), content.size, "{name}");
            check_content(path, content, plot);
        }
        Kind::Symlink(target) => {
            let read = fs::read_link(path).unwrap();
            assert_eq!(read, PathBuf::from(OsStr::from_bytes(target)), "{name}");
        }
        Kind::CharacterDevice { major, minor } => {
            assert!(read.file_type().is_char_device(), "{name}");
            assert_eq!(read.rdev(), device(*major, *minor), "{name}");
        }
        Kind::BlockDevice { major, minor } => {
            assert!(read.file_type().is_block_device(), "{name}");
            assert_eq!(read.rdev(), device(*major, *minor), "{name}");
        }
        Kind::Fifo => assert!(read.file_type().is_fifo(), "{name}"),
    }
}

/// Every piece, and zeros around it.
fn check_content(path: &Path, content: &Content, plot: &Plot) {
    let file = fs::File::open(path).unwrap();
    let mut before = 0;
    for piece in &content.pieces {
        let length = usize::try_from(piece.length).unwrap();
        let (mut expected, mut read) = (vec![0; length], vec![0; length]);
        plot.store.read(piece.store, piece.offset, &mut expected).unwrap();
        file.read_exact_at(&mut read, piece.at).unwrap();
        assert!(read == expected, "{} at {}", path.display(), piece.at);
        let gap = usize::try_from((piece.at - before).min(65_536)).unwrap();
        let mut zeros = vec![1; gap];
        file.read_exact_at(&mut zeros, piece.at - gap as u64).unwrap();
        assert!(zeros.iter().all(|byte| *byte == 0), "{} before {}", path.display(), piece.at);
        before = piece.at + piece.length;
    }
}

fn attributes(path: &Path) -> BTreeMap<Box<[u8]>, Box<[u8]>> {
    let mut names = vec![0; 8192];
    let length = rustix::fs::llistxattr(path, &mut names).unwrap();
    names.truncate(length);
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let pair = |name: &[u8]| {
        let mut value = vec![0; 8192];
        let length = rustix::fs::lgetxattr(path, OsStr::from_bytes(name), &mut value).unwrap();
        value.truncate(length);
        (name.into(), value.into())
    };
    names.map(pair).collect()
}
