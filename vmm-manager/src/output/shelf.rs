//! The outputs that this host keeps: `jobs/JOB/outputs/NAME`.

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use rustix::fs::OFlags;

use super::OutputReader;
use crate::job::{JobId, OutputRecord};

#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    #[error("it has {size_bytes} bytes, and offset {offset} is behind them")]
    Behind { offset: u64, size_bytes: u64 },
    #[error("it has expired: its bytes have been removed")]
    Expired,
    #[error("its bytes are not what the host took over")]
    Damaged,
    #[error("it could not be read")]
    Io { source: io::Error },
}

/// Clones are the same shelf.
#[derive(Clone, Debug)]
pub struct Outputs {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    jobs: PathBuf,
    /// How many readers what each job has left has just now.
    readers: Mutex<HashMap<JobId, usize>>,
}

impl Outputs {
    /// `jobs` is the directory in which each job has one.
    pub fn new(jobs: PathBuf) -> Self {
        Self { shared: Arc::new(Shared { jobs, readers: Mutex::default() }) }
    }

    /// Where an output lies, or will.
    pub fn path(&self, job: &JobId, name: &str) -> PathBuf {
        self.directory(job).join(name)
    }

    /// Of all outputs of a job.
    pub fn directory(&self, job: &JobId) -> PathBuf {
        self.shared.jobs.join(job.as_str()).join("outputs")
    }

    /// Reads an output of a job from an offset on. Blocks for as long as a file takes to open.
    pub fn read(
        &self,
        job: &JobId,
        output: &OutputRecord,
        offset: u64,
        reading: Reading,
    ) -> Result<OutputReader, OutputError> {
        let size_bytes = output.size_bytes;
        if output.expired {
            return Err(OutputError::Expired);
        }
        if offset > size_bytes {
            return Err(OutputError::Behind { offset, size_bytes });
        }
        Ok(OutputReader::new(self.open(job, output)?, offset, size_bytes, reading))
    }

    /// Where an output lies, for a machine to read: as any that it only reads, by its own user, whom
    /// nobody lets come near it otherwise. Blocks for as long as a file takes to open.
    pub fn share(&self, job: &JobId, output: &OutputRecord) -> Result<PathBuf, OutputError> {
        if output.expired {
            return Err(OutputError::Expired);
        }
        let everybody = fs::Permissions::from_mode(0o644);
        let file = self.open(job, output)?;
        file.set_permissions(everybody).map_err(|source| OutputError::Io { source })?;
        Ok(self.path(job, &output.name))
    }

    /// As the record has it, or not at all.
    fn open(&self, job: &JobId, output: &OutputRecord) -> Result<File, OutputError> {
        // One that waits for a writer is no file, and found out.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(self.path(job, &output.name))
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => OutputError::Damaged,
                _ => OutputError::Io { source },
            })?;
        let metadata = file.metadata().map_err(|source| OutputError::Io { source })?;
        if !metadata.is_file() || metadata.len() != output.size_bytes {
            return Err(OutputError::Damaged);
        }
        Ok(file)
    }

    /// Counts one more reader of what a job has left, its log or an output. Counted first, the
    /// record looked at then: what the record promised is there for as long as the reader is.
    pub fn reading(&self, job: &JobId) -> Reading {
        Reading::new(Arc::clone(&self.shared), job.clone())
    }

    /// Somebody reads what this job has left.
    pub fn is_read(&self, job: &JobId) -> bool {
        self.shared.readers().contains_key(job)
    }

    /// Removes the bytes of all outputs of a job. Blocks.
    pub fn remove(&self, job: &JobId) -> io::Result<()> {
        match fs::remove_dir_all(self.directory(job)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }
}

impl Shared {
    fn readers(&self) -> MutexGuard<'_, HashMap<JobId, usize>> {
        // Every change is one count: a panic elsewhere leaves the map whole.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reader, counted while it lives.
#[derive(Debug)]
pub struct Reading {
    shared: Arc<Shared>,
    job: JobId,
}

impl Reading {
    fn new(shared: Arc<Shared>, job: JobId) -> Self {
        *shared.readers().entry(job.clone()).or_default() += 1;
        Self { shared, job }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.shared.readers();
        if let Some(count) = readers.get_mut(&self.job) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.job);
            }
        }
    }
}
