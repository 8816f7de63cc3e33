//! Taking over one output disk.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rustix::fs::OFlags;
use tokio::task::spawn_blocking;

use super::copy::{CopyError, copy};
use crate::job::OutputRecord;

/// No output's name has a dot in it.
const PARTIAL_SUFFIX: &str = ".partial";

#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error("the output disk {path} could not be read")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not the regular file that was made as an output disk")]
    NotADisk { path: PathBuf },
    #[error("an output of {length} bytes is longer than its disk, which has {disk_bytes}")]
    TooLong { length: u64, disk_bytes: u64 },
    #[error(
        "the host's disk has no room left for an output of {length} bytes; make room, or wait \
         until older outputs have expired"
    )]
    DiskFull { length: u64 },
    #[error("the output {path} could not be written")]
    Write { path: PathBuf, source: io::Error },
    #[error("taking over the output was stopped")]
    Stopped,
}

/// Copies the first `length` bytes of `disk` to `target`, which is `jobs/JOB/outputs/NAME`, and
/// says what they are. When it returns they last; after an error nothing of them is left. May be
/// repeated: what an earlier call has left or finished is replaced.
///
/// # Cancel safety
/// Safe: the copy is stopped and removed.
pub async fn ingest(disk: &Path, length: u64, target: &Path) -> Result<OutputRecord, IngestError> {
    let stop = StopWhenDropped::default();
    let work = Work {
        disk: disk.to_owned(),
        length,
        target: target.to_owned(),
        stop: Arc::clone(&stop.0),
    };
    // It ends badly only if the work panicked, which is as good as stopped.
    spawn_blocking(move || work.run()).await.unwrap_or(Err(IngestError::Stopped))
}

#[derive(Debug, Default)]
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Work {
    disk: PathBuf,
    length: u64,
    target: PathBuf,
    stop: Arc<AtomicBool>,
}

impl Work {
    fn run(self) -> Result<OutputRecord, IngestError> {
        let disk = self.open_disk()?;
        let failed = |source| self.write_error(source);
        let name = self.target.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let directory = Directory::open(self.target.parent().unwrap_or(&self.target));
        let directory = directory.map_err(failed)?;
        let partial = Partial::make(&self.target).map_err(failed)?;
        let digest =
            copy(&disk, &partial.file, self.length, &self.stop).map_err(|error| match error {
                CopyError::Read(source) => IngestError::Read { path: self.disk.clone(), source },
                CopyError::Write(source) => failed(source),
                CopyError::Stopped => IngestError::Stopped,
            })?;
        partial.keep(&directory).map_err(failed)?;
        Ok(OutputRecord { name, size_bytes: self.length, digest, expired: false })
    }

    fn open_disk(&self) -> Result<File, IngestError> {
        let read_error = |source| IngestError::Read { path: self.disk.clone(), source };
        // Without waiting for a writer, should it be a pipe, and without following a link.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let disk = OpenOptions::new()
            .read(true)
            .custom_flags(flags.bits().cast_signed())
            .open(&self.disk)
            .map_err(read_error)?;
        let metadata = disk.metadata().map_err(read_error)?;
        if !metadata.is_file() {
            return Err(IngestError::NotADisk { path: self.disk.clone() });
        }
        if self.length > metadata.len() {
            return Err(IngestError::TooLong { length: self.length, disk_bytes: metadata.len() });
        }
        Ok(disk)
    }

    fn write_error(&self, source: io::Error) -> IngestError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                IngestError::DiskFull { length: self.length }
            }
            _ => IngestError::Write { path: self.target.clone(), source },
        }
    }
}

/// A job's directory of outputs, whose entries last once it is synced.
#[derive(Debug)]
struct Directory(File);

impl Directory {
    fn open(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => File::open(path.parent().unwrap_or(path))?.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let flags = OFlags::NOFOLLOW | OFlags::DIRECTORY;
        let flags = flags.bits().cast_signed();
        OpenOptions::new().read(true).custom_flags(flags).open(path).map(Self)
    }
}

/// The copy under the name that it has until it is whole. Dropped, it is gone.
#[derive(Debug)]
struct Partial {
    file: File,
    path: PathBuf,
    target: PathBuf,
    kept: bool,
}

impl Partial {
    fn make(target: &Path) -> io::Result<Self> {
        let mut path = target.as_os_str().to_owned();
        path.push(PARTIAL_SUFFIX);
        let path = PathBuf::from(path);
        remove(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path, target: target.to_owned(), kept: false })
    }

    fn keep(mut self, directory: &Directory) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, &self.target)?;
        self.kept = true;
        // What can't be made to last is not kept under its name either.
        directory.0.sync_all().inspect_err(|_| {
            let _ = fs::remove_file(&self.target);
        })
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = remove(&self.path)
        {
            tracing::error!(path = %self.path.display(), %error, "a part of an output is left behind");
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
