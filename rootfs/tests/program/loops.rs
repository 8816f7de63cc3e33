//! Files as block devices.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

/// What is missing on this host, if anything is.
pub(crate) fn missing() -> Option<&'static str> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root");
    }
    (!Path::new("/dev/loop-control").exists()).then_some("needs loop devices")
}

/// It ends with its test.
pub(crate) struct Loop {
    path: PathBuf,
}

impl Loop {
    pub(crate) fn of(file: &Path) -> Self {
        let output = Command::new("losetup").args(["--find", "--show"]).arg(file).output();
        let output = output.expect("losetup is needed (Debian: mount)");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        let path = String::from_utf8(output.stdout).unwrap();
        Self { path: path.trim_end().into() }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.path).unwrap()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let done = Command::new("losetup").arg("--detach").arg(&self.path).status();
        assert!(done.is_ok_and(|status| status.success()), "{} stays", self.path.display());
    }
}
