//! Devices that held something before.

use std::{fs, path::PathBuf, process::Command};

use kiln_rootfs::ext4::{Free, Options, Plan, Size, WriteError};
use rustix::{fs::FallocateFlags, io::Errno};
use tempfile::TempDir;

use crate::{
    image::{Image, options},
    loops::Loop,
    plot::Plot,
};

pub(crate) const TESTS: &[(&str, fn())] = &[
    ("device::one_is_written_as_a_file_is", one_is_written_as_a_file_is),
    ("device::one_that_forgets_nothing_too", one_that_forgets_nothing_too),
];

/// A file system whose files cannot lose bytes of theirs, so that no device on them can forget any.
struct Simple {
    directory: TempDir,
}

impl Simple {
    fn mount() -> Self {
        let directory = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "ramfs", "ramfs"]).arg(directory.path()).status();
        assert!(mounted.expect("mount is needed (Debian: mount)").success());
        Self { directory }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
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

fn one_is_written_as_a_file_is() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), vec![0xee; expected.len()]).unwrap();
    let device = Loop::of(file.path());
    plan.write(&plot.store, &device.open()).unwrap();
    assert!(fs::read(device.path()).unwrap() == expected);

    let size = Size::Exact(expected.len() as u64 + 4096);
    let larger = Plan::of(&plot.tree, &Options { size, ..options() }).unwrap();
    let refused = larger.write(&plot.store, &device.open()).unwrap_err();
    assert!(matches!(refused, WriteError::Device { .. }), "{refused}");
}

fn one_that_forgets_nothing_too() {
    let plot = planted();
    let expected = Image::of(&plot, &sized()).bytes();
    let plan = Plan::of(&plot.tree, &sized()).unwrap();
    let simple = Simple::mount();
    fs::write(simple.at("disk"), vec![0xee; expected.len()]).unwrap();
    let device = Loop::of(&simple.at("disk"));
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let refused = rustix::fs::fallocate(device.open(), punch, 0, 4096);
    assert_eq!(refused, Err(Errno::OPNOTSUPP), "it forgets after all");
    plan.write(&plot.store, &device.open()).unwrap();
    assert!(fs::read(device.path()).unwrap() == expected);
}
