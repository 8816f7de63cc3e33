//! The directory of one VM, as a lease.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Holds the VM's sockets and its disks; only we may enter. Dropping it leaves it to the reconciler:
/// a machine may still run in it.
#[derive(Debug)]
pub(super) struct VmDirectory {
    path: PathBuf,
}

impl VmDirectory {
    pub(super) fn take(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }

    /// One that an earlier kilnd took.
    pub(super) fn again(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) async fn release(self) {
        match tokio::fs::remove_dir_all(&self.path).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(path = %self.path.display(), %error, "the directory of a VM is left behind");
            }
            _ => {}
        }
    }
}
