//! What does the same in two steps: an image unpacked to a directory, and a file system made of that.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use crate::{Outcome, image::Layout};

const MKFS: &str = "/sbin/mkfs.ext4";

/// A program that it takes and that is not there, with Debian's package of it.
pub(crate) fn missing() -> Option<&'static str> {
    let is_there = |program: &str, version: &str| {
        let mut command = Command::new(program);
        let run = command.arg(version).stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_ok_and(|status| status.success())
    };
    if !is_there("umoci", "--version") {
        Some("umoci (Debian: umoci)")
    } else if !is_there(MKFS, "-V") {
        Some("mkfs.ext4 (Debian: e2fsprogs)")
    } else {
        None
    }
}

/// In a file of `room` and a fifth more, as the two do not lay things out alike.
pub(crate) fn run(layout: &Layout, room: u64, directory: &Path) -> Outcome<()> {
    let bundle = directory.join("bundle");
    let mut umoci = Command::new("umoci");
    umoci.arg("unpack").arg("--image").arg(format!("{}:latest", layout.path.display()));
    if !rustix::process::geteuid().is_root() {
        umoci.arg("--rootless");
    }
    succeed(umoci.arg(&bundle))?;
    let mut mkfs = Command::new(MKFS);
    mkfs.args(["-q", "-F", "-d"]).arg(bundle.join("rootfs")).arg(directory.join("root.ext4"));
    succeed(mkfs.arg(format!("{}k", room / 1024 * 6 / 5)).stdout(Stdio::null()))
}

pub(crate) fn succeed(command: &mut Command) -> Outcome<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
