//! A directory that goes when its owner does.

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{privileges, program};

/// Others may go through it to what they are told of, as kilnd does, whose home is in it, and read
/// nothing. Its name is short: paths of sockets below it hold no more than 107 bytes.
#[derive(Debug)]
pub(crate) struct TemporaryDirectory(PathBuf);

impl TemporaryDirectory {
    pub(crate) fn new(purpose: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("kiln-{purpose}-{}", std::process::id()));
        let made = fs::DirBuilder::new().mode(0o711).create(&path);
        made.with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it now and says when that fails.
    pub(crate) fn remove(self) -> anyhow::Result<()> {
        let path = self.0.clone();
        drop(self);
        anyhow::ensure!(!path.exists(), "{} could not be removed", path.display());
        Ok(())
    }
}

impl Drop for TemporaryDirectory {
    fn drop(&mut self) {
        // What a daemon made in it belongs to root.
        if fs::remove_dir_all(&self.0).is_err() && !privileges::is_root() {
            let mut remove = privileges::as_root("rm");
            let _ = program::run(remove.arg("-rf").arg(&self.0));
        }
    }
}
