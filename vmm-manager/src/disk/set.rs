//! All the disks of one job.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use super::{ScratchError, format, output_serial};
use crate::job::JobSpec;

/// What `stat` counts blocks in, whatever the file system's own are.
const BLOCK_BYTES: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("the disk {path} could not be made")]
    Allocate { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Scratch(#[from] ScratchError),
}

/// Files below a VM's directory, which goes with all that is in it.
#[derive(Clone, Debug)]
pub struct Disks {
    pub scratch: PathBuf,
    /// Of a build.
    pub engine: Option<PathBuf>,
    /// As the spec has its outputs.
    pub outputs: Vec<PathBuf>,
    /// What the host brings for it; whoever brings it makes it.
    pub fetched: Option<PathBuf>,
}

impl Disks {
    /// Where the disks of a job are, or will be.
    pub fn of(directory: &Path, spec: &JobSpec) -> Self {
        let outputs = 0..spec.outputs.len();
        let engine = spec.is_build().then(|| directory.join("engine.raw"));
        let output = |index| directory.join(format!("{}.raw", output_serial(index)));
        let outputs = outputs.map(output).collect();
        let fetched = (spec.fetched_bytes() > 0).then(|| directory.join("fetched.raw"));
        Self { scratch: directory.join("scratch.raw"), engine, outputs, fetched }
    }

    /// Of a machine that nothing comes out of.
    pub fn only(scratch: PathBuf) -> Self {
        Self { scratch, engine: None, outputs: Vec::new(), fetched: None }
    }

    /// Those of a machine that boots what its job has made: nothing comes out of it.
    pub fn of_check(directory: &Path, spec: &JobSpec) -> Self {
        Self::only(Self::of(directory, spec).scratch)
    }

    /// Makes the sparse files, which take no room until the guest writes.
    pub fn make(&self, spec: &JobSpec) -> Result<(), DiskError> {
        allocate(&self.scratch, spec.scratch_bytes())?;
        if let Some(engine) = &self.engine {
            allocate(engine, spec.disk_bytes)?;
        }
        for (path, output) in self.outputs.iter().zip(&spec.outputs) {
            allocate(path, output.max_bytes)?;
        }
        Ok(())
    }

    /// Those that the guest is to find a file system on.
    pub async fn format(&self) -> Result<(), DiskError> {
        let engine = async {
            match &self.engine {
                Some(engine) => format(engine).await,
                None => Ok(()),
            }
        };
        tokio::try_join!(format(&self.scratch), engine)?;
        Ok(())
    }

    /// What they take of the host now.
    pub fn used_bytes(&self) -> u64 {
        let used = |path: &PathBuf| fs::metadata(path).map_or(0, |data| data.blocks());
        let others = self.engine.iter().chain(&self.fetched);
        let blocks: u64 = self.outputs.iter().chain([&self.scratch]).chain(others).map(used).sum();
        blocks * BLOCK_BYTES
    }
}

pub(crate) fn allocate(path: &Path, bytes: u64) -> Result<(), DiskError> {
    let failed = |source| DiskError::Allocate { path: path.to_owned(), source };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path).map_err(failed)?;
    file.set_len(bytes).map_err(failed)
}
