//! One source on its way in.

use std::{
    fs::{File, OpenOptions, Permissions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use tokio::{sync::OwnedSemaphorePermit, task::spawn_blocking};

use super::{
    budget::{Reservation, disk_bytes, footprint},
    partial::Partial,
    record::{DISK, Source},
    registry::Shared,
};
use crate::{
    digest::Hasher,
    job::{Owner, SourceId},
};

#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{most} uploads are under way; try again when one of them has ended")]
    Busy { most: usize },
    #[error(
        "{size_bytes} bytes are more than the {free_bytes} that are left for sources on this host; \
         try again when jobs have ended"
    )]
    OverBudget { size_bytes: u64, free_bytes: u64 },
    #[error("the host's disk has no room left for the source; try again when jobs have ended")]
    DiskFull,
    #[error("more arrived than the {announced} bytes that were announced")]
    Longer { announced: u64 },
    #[error("{arrived} bytes arrived, and {announced} were announced")]
    Shorter { announced: u64, arrived: u64 },
    #[error("an earlier part of the upload was not written")]
    Broken,
    #[error("the source could not be written")]
    Io { source: io::Error },
}

impl From<io::Error> for UploadError {
    fn from(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Io { source },
        }
    }
}

/// A source that is not there yet. Dropped before its end, it leaves nothing.
#[derive(Debug)]
pub struct Upload {
    /// `None` while a part is being written, and for good once that failed.
    making: Option<Box<Making>>,
}

impl Upload {
    pub(super) fn new(making: Making) -> Self {
        Self { making: Some(Box::new(making)) }
    }

    /// Takes the next part. After an error nothing of the upload is left.
    ///
    /// # Cancel safety
    /// Not safe: an upload that was cancelled in a write can only be dropped.
    pub async fn write(&mut self, part: Bytes) -> Result<(), UploadError> {
        let mut making = self.making.take().ok_or(UploadError::Broken)?;
        let written = blocking(move || making.write(&part).map(|()| making)).await?;
        self.making = Some(written);
        Ok(())
    }

    /// Makes it a source, which lasts from here on.
    ///
    /// # Cancel safety
    /// Safe: there is a source or nothing.
    pub async fn finish(mut self) -> Result<Source, UploadError> {
        let making = self.making.take().ok_or(UploadError::Broken)?;
        blocking(move || making.finish()).await
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // The removal of a large file takes its time: not on a thread that serves others.
        if let (Some(making), Ok(runtime)) =
            (self.making.take(), tokio::runtime::Handle::try_current())
        {
            runtime.spawn_blocking(move || drop(making));
        }
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, UploadError> + Send + 'static,
) -> Result<T, UploadError> {
    // It ends badly only if the work panicked, and what it held has been dropped by then.
    spawn_blocking(work).await.unwrap_or(Err(UploadError::Broken))
}

/// What exists while a source is made. Field order: the files go before their part of the budget.
#[derive(Debug)]
pub(super) struct Making {
    file: File,
    partial: Partial,
    reservation: Reservation,
    shared: Arc<Shared>,
    id: SourceId,
    owner: Owner,
    announced: Option<u64>,
    size_bytes: u64,
    hasher: Hasher,
    _place: OwnedSemaphorePermit,
}

impl Making {
    pub(super) fn begin(
        shared: Arc<Shared>,
        owner: Owner,
        announced: Option<u64>,
        place: OwnedSemaphorePermit,
    ) -> Result<Self, UploadError> {
        let size_bytes = announced.unwrap_or(0);
        let reservation = shared
            .budget
            .reserve(footprint(size_bytes))
            .ok_or_else(|| shared.over_budget(size_bytes))?;
        let statistics = rustix::fs::statvfs(&shared.directory).map_err(io::Error::from)?;
        if size_bytes > statistics.f_bavail.saturating_mul(statistics.f_frsize) {
            return Err(UploadError::DiskFull);
        }
        let id = SourceId::generate();
        let partial = Partial::make(&shared.directory, &id)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(partial.path().join(DISK))?;
        // Whatever mask we have: a VM's own user reads it, in a root that holds it. Outside, the home
        // is closed to all but us.
        file.set_permissions(Permissions::from_mode(0o644))?;
        Ok(Self {
            file,
            partial,
            reservation,
            shared,
            id,
            owner,
            announced,
            size_bytes: 0,
            hasher: Hasher::default(),
            _place: place,
        })
    }

    pub(super) fn write(&mut self, part: &[u8]) -> Result<(), UploadError> {
        let size_bytes = self.size_bytes.saturating_add(part.len() as u64);
        if let Some(announced) = self.announced.filter(|announced| size_bytes > *announced) {
            return Err(UploadError::Longer { announced });
        }
        if !self.reservation.grow(footprint(size_bytes)) {
            return Err(self.shared.over_budget(size_bytes));
        }
        self.file.write_all(part)?;
        self.hasher.update(part);
        self.size_bytes = size_bytes;
        Ok(())
    }

    fn finish(self) -> Result<Source, UploadError> {
        let mut sealing = self.seal()?;
        for step in Sealing::STEPS {
            step(&mut sealing)?;
        }
        Ok(sealing.publish())
    }

    pub(super) fn seal(self) -> Result<Sealing, UploadError> {
        let Self {
            file,
            partial,
            reservation,
            shared,
            id,
            owner,
            announced,
            size_bytes,
            hasher,
            ..
        } = self;
        if let Some(announced) = announced.filter(|announced| size_bytes != *announced) {
            return Err(UploadError::Shorter { announced, arrived: size_bytes });
        }
        let disk = partial.source_path().join(DISK);
        let digest = hasher.finish();
        let uploaded_at = SystemTime::now();
        let source = Source { id, owner, size_bytes, digest, uploaded_at, disk };
        Ok(Sealing { file, partial, reservation, shared, source })
    }
}

/// A source whose bytes have all arrived. Field order as above.
#[derive(Debug)]
pub(super) struct Sealing {
    file: File,
    partial: Partial,
    reservation: Reservation,
    shared: Arc<Shared>,
    source: Source,
}

impl Sealing {
    /// In this order: whatever is named by a later step is on the disk by an earlier one.
    pub(super) const STEPS: [fn(&mut Self) -> io::Result<()>; 6] = [
        |sealing| sealing.file.set_len(disk_bytes(sealing.source.size_bytes)),
        |sealing| sealing.file.sync_all(),
        |sealing| sealing.source.store(&sealing.partial.path()),
        |sealing| sealing.partial.sync(),
        |sealing| sealing.partial.rename(),
        |sealing| sealing.partial.keep(),
    ];

    pub(super) fn publish(self) -> Source {
        let Self { file: _, partial: _, reservation, shared, source } = self;
        shared.insert(source.clone(), reservation);
        source
    }
}
