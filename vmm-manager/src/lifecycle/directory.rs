//! The directory of one VM, as a lease.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// Holds the VM's sockets and its scratch disk; only we may enter.
#[derive(Debug)]
pub(super) struct VmDirectory {
    /// `None` once it has been given back.
    path: Option<PathBuf>,
}

impl VmDirectory {
    pub(super) fn take(path: PathBuf) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path: Some(path) })
    }

    pub(super) fn path(&self) -> &Path {
        self.path.as_deref().unwrap_or(Path::new(""))
    }

    /// The normal path.
    pub(super) async fn release(mut self) {
        let Some(path) = self.path.take() else { return };
        if let Err(error) = tokio::fs::remove_dir_all(&path).await {
            tracing::error!(path = %path.display(), %error, "the directory of a VM is left behind");
        }
    }
}

impl Drop for VmDirectory {
    fn drop(&mut self) {
        let Some(path) = self.path.take() else { return };
        let remove = move || {
            if let Err(error) = std::fs::remove_dir_all(&path) {
                tracing::error!(path = %path.display(), %error, "the directory of a VM is left behind");
            }
        };
        // Off the runtime's threads; without a runtime there is nobody to keep waiting.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}
