//! The outer host's initramfs: a shell, the modules, and the script that is process 1.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, ensure};
use kiln_images::{Cpio, GuestImage, MODULES_ORDER};

use crate::nested::place::Parts;

const INIT: &str = include_str!("init.sh");
const BUSYBOX: &str = "/usr/bin/busybox";

/// Works in `directory`.
pub(super) fn make(parts: &Parts, image: &GuestImage, directory: &Path) -> anyhow::Result<Vec<u8>> {
    let mut cpio = Cpio::default();
    for name in ["bin", "dev", "modules", "proc", "sys"] {
        cpio.directory(name)?;
    }
    cpio.file("bin/busybox", 0o755, &busybox(parts, image, directory)?)?;
    cpio.file("init", 0o755, INIT.as_bytes())?;
    for module in fs::read_dir(&parts.modules)? {
        let module = module?;
        let name = module.file_name().to_string_lossy().into_owned();
        cpio.file(&format!("modules/{name}"), 0o644, &fs::read(module.path())?)?;
    }
    ensure!(parts.modules.join(MODULES_ORDER).exists(), "modules without an order");
    Ok(cpio.finish()?)
}

/// Taken out of the golden root without mounting it.
fn busybox(parts: &Parts, image: &GuestImage, directory: &Path) -> anyhow::Result<Vec<u8>> {
    let copy = directory.join("busybox");
    let mut debugfs = Command::new(&parts.debugfs);
    debugfs.arg("-R").arg(format!("dump {BUSYBOX} {}", copy.display())).arg(&image.root.path);
    let done = debugfs.stdin(Stdio::null()).output().context("running debugfs")?;
    let busybox = fs::read(&copy).unwrap_or_default();
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(busybox.starts_with(b"\x7fELF"), "no {BUSYBOX} in the golden root: {said}");
    Ok(busybox)
}
