//! The directory of one VM, as a lease.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use kiln_shim::RUN;
use tokio::task::spawn_blocking;

use crate::host::remove_vm;

/// Holds the VM's sockets and its disks; only we may enter. Dropping it leaves it to the reconciler:
/// a machine may still run in it.
#[derive(Debug)]
pub(super) struct VmDirectory {
    path: PathBuf,
}

impl VmDirectory {
    pub(super) fn take(path: PathBuf) -> io::Result<Self> {
        let private = |path: &Path| DirBuilder::new().mode(0o700).create(path);
        private(&path)?;
        // For the sockets of the VM's programs; a jail gives it to their user.
        private(&path.join(RUN)).inspect_err(|_| drop(std::fs::remove_dir(&path)))?;
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
        let path = self.path.clone();
        let removed = spawn_blocking(move || remove_vm(&path)).await.map_err(io::Error::other);
        if let Err(error) = removed.and_then(|removed| removed) {
            tracing::error!(path = %self.path.display(), %error, "the directory of a VM is left behind");
        }
    }
}
