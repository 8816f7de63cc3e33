//! The converter, as whoever runs it by hand does.

use std::{fs, path::Path, process::Command};

use crate::{Outcome, image::Layout, rivals};

pub(crate) fn command(layout: &Layout, directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kiln-rootfs"));
    command.arg("--quiet").arg(&layout.path).arg("--output").arg(directory.join("root.ext4"));
    command
}

pub(crate) fn run(layout: &Layout, directory: &Path) -> Outcome<()> {
    rivals::succeed(&mut command(layout, directory))
}

/// How large its file system is.
pub(crate) fn size(layout: &Layout, scratch: &Path) -> Outcome<u64> {
    let directory = tempfile::tempdir_in(scratch)?;
    run(layout, directory.path())?;
    Ok(fs::metadata(directory.path().join("root.ext4"))?.len())
}
