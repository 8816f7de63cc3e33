//! What a file system is written to, and what becomes of it when that fails.

use std::{
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::Command,
};

use rustix::{fs::FallocateFlags, io::Errno};
use tempfile::TempDir;

use crate::ext4::{Free, Options, Plan, Size, WriteError};

use super::{
    image::{Image, options},
    plot::Plot,
};

/// A file as a block device; it ends with its test.
struct Loop {
    path: PathBuf,
}

impl Loop {
    /// Nothing where this machine does not let the test have one.
    #[expect(clippy::print_stderr, reason = "says what the test did without")]
    fn of(file: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || !Path::new("/dev/loop-control").exists() {
            eprintln!("no device was written: that takes root and loop devices");
            return None;
        }
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "losetup (Debian: mount): {told}");
        let path = String::from_utf8(output.stdout).unwrap();
        Some(Self { path: path.trim_end().into() })
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let done = Command::new("losetup").arg("--detach").arg(&self.path).status();
        assert!(done.is_ok_and(|status| status.success()), "{} stays", self.path.display());
    }
}

/// A file system whose files cannot lose bytes of theirs, so that no device on them can forget any.
struct Simple {
    directory: TempDir,
}

impl Simple {
    fn mount() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "ramfs", "ramfs"]).arg(directory.path()).status();
        assert!(mounted.unwrap().success(), "mount (Debian: mount)");
        Some(Self { directory })
    }
}

impl Drop for Simple {
    fn drop(&mut self) {
        // Lazily: the device that lay here may only just be going.
        let done = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
        assert!(done.is_ok_and(|status| status.success()), "{:?} stays", self.directory);
    }
}

fn planted() -> Plot {
    let mut plot = Plot::new();
    plot.file("etc/hostname", b"kiln\n");
    plot.file("zeros", &[0; 10_000]);
    plot
}

fn sized() -> Options {
    Options { size: Size::Fitted(Free::Bytes(8 << 20)), ..options() }
}

#[test]
fn what_a_file_held_before_is_gone() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![0xee; expected.len() + 10_000]).unwrap();
    let written = plan.write(&plot.store, &file).unwrap();
    let mut bytes = Vec::new();
    let mut file = file;
    std::io::Seek::rewind(&mut file).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    assert!(bytes == expected);
    // Of the journal and of files of zeros nothing was written.
    assert!(written.bytes < 256 << 10, "{written:?}");
}

#[test]
fn a_device_is_written_as_a_file_is() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![0xee; expected.len()]).unwrap();
    let Some(device) = Loop::of(file.path()) else { return };
    let open = || OpenOptions::new().read(true).write(true).open(&device.path).unwrap();
    plan.write(&plot.store, &open()).unwrap();
    let mut bytes = Vec::new();
    open().read_to_end(&mut bytes).unwrap();
    assert!(bytes == expected);

    let size = Size::Exact(expected.len() as u64 + 4096);
    let larger = Plan::of(&plot.tree, &Options { size, ..options() }).unwrap();
    let refused = larger.write(&plot.store, &open()).unwrap_err();
    assert!(matches!(refused, WriteError::Device { .. }), "{refused}");
}

#[test]
#[expect(clippy::print_stderr, reason = "says what the test did without")]
fn a_device_that_forgets_nothing_is_written_all_the_same() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let Some(simple) = Simple::mount() else {
        return eprintln!("no device without discard was written: that takes root");
    };
    let path = simple.directory.path().join("disk");
    std::fs::write(&path, vec![0xee; expected.len()]).unwrap();
    let Some(device) = Loop::of(&path) else { return };
    let open = || OpenOptions::new().read(true).write(true).open(&device.path).unwrap();
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let refused = rustix::fs::fallocate(open(), punch, 0, 4096);
    assert_eq!(refused, Err(Errno::OPNOTSUPP), "it forgets after all");
    plan.write(&plot.store, &open()).unwrap();
    let mut bytes = Vec::new();
    open().read_to_end(&mut bytes).unwrap();
    assert!(bytes == expected);
}

#[test]
fn what_is_neither_is_refused() {
    let plot = planted();
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let null = OpenOptions::new().write(true).open("/dev/null").unwrap();
    assert!(matches!(plan.write(&plot.store, &null).unwrap_err(), WriteError::Kind));
}

#[test]
fn bytes_that_are_not_there_are_named() {
    let mut plot = planted();
    let id = plot.file("usr/short", b"not all of it");
    if let crate::tree::Kind::File(content) = &mut plot.tree.node_mut(id).kind {
        content.pieces[0].length += 1;
        content.size += 1;
    }
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let failed = plan.write(&plot.store, &tempfile::tempfile().unwrap()).unwrap_err();
    assert_eq!(failed.to_string(), "cannot read what belongs to /usr/short");
}

#[test]
fn a_file_that_cannot_be_written_says_so() {
    let plot = planted();
    let plan = Plan::of(&plot.tree, &options()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    let failed = plan.write(&plot.store, &File::open(file.path()).unwrap()).unwrap_err();
    assert!(matches!(failed, WriteError::Write(_)), "{failed}");
}
