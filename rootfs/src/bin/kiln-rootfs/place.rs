//! Where the output goes: a file, or a block device.

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::FileTypeExt as _,
    path::{Path, PathBuf},
};

use kiln_rootfs::Output;

use super::{
    failure::Failure,
    pending::{Pending, directory},
};

#[derive(Debug)]
pub(super) struct Place {
    output: Output,
    /// None for a device.
    pending: Option<Pending>,
    /// Where there is room for what is only on its way.
    spool: PathBuf,
}

impl Place {
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let wrong = |source| Failure::Output { path: path.to_owned(), source };
        if fs::metadata(path).is_ok_and(|found| found.file_type().is_block_device()) {
            let file = OpenOptions::new().read(true).write(true).open(path).map_err(wrong)?;
            let (output, spool) = (Output::new(file), std::env::temp_dir());
            return Ok(Self { output, pending: None, spool });
        }
        let pending = Pending::at(path)?;
        let output = Output::new(pending.file().try_clone().map_err(wrong)?);
        Ok(Self { output, pending: Some(pending), spool: directory(path).to_owned() })
    }

    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    pub(super) fn spool<'a>(&'a self, asked: Option<&'a Path>) -> &'a Path {
        asked.unwrap_or(&self.spool)
    }

    /// It gets its name.
    pub(super) fn keep(self) -> Result<(), Failure> {
        self.pending.map_or(Ok(()), Pending::keep)
    }
}
