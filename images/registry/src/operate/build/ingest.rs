//! An image from the disk that a build's guest wrote, in one pass.
//!
//! ```text
//! disk ─▶ buffers ─▶ tar ─┬─▶ hashed, on a thread beside
//!                         └─▶ written, and synced on another
//! the tar's end ─▶ digests as claimed? ─▶ index.json: one image, whole, as large as it says
//!               ─▶ what it needs is linked in one commit, and the rest removed
//! ```
//! The guest wrote every byte of it, and may be writing still: what was hashed is what was written
//! here, from the same buffers. Links, devices, anything twice and anything deeper, longer or more
//! than an image is refuse the whole.

mod disk;
mod hash;
mod receive;
mod verify;

use std::{
    fs::File,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use self::{disk::Disk, receive::Receiver};
use super::Built;
use crate::{
    build::Maker,
    layout::{Archive, InvalidLayout},
    operate::{Images, OperateError},
    repository::Repository,
    store::{Lot, Store, StoreError},
};

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// What the guest wrote is no image.
    Content,
    /// There is no room for it.
    Room,
    /// This host.
    Host,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum IngestError {
    #[error("the disk could not be read")]
    Read(#[source] Arc<io::Error>),
    #[error("an image of {length} bytes is longer than its disk, which has {disk_bytes}")]
    TooLong { length: u64, disk_bytes: u64 },
    #[error(transparent)]
    Content(Arc<OperateError>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("taking over the image was stopped")]
    Stopped,
}

impl IngestError {
    pub fn fault(&self) -> Fault {
        match self {
            Self::TooLong { .. } | Self::Content(_) | Self::Store(StoreError::Missing(_)) => {
                Fault::Content
            }
            Self::Store(StoreError::Quota { .. } | StoreError::DiskFull) => Fault::Room,
            Self::Read(_) | Self::Store(_) | Self::Stopped => Fault::Host,
        }
    }
}

impl From<InvalidLayout> for IngestError {
    fn from(invalid: InvalidLayout) -> Self {
        match invalid {
            InvalidLayout::Stream(source) => Self::Read(source),
            invalid => Self::Content(Arc::new(invalid.into())),
        }
    }
}

impl From<OperateError> for IngestError {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::Store(error) => error.into(),
            OperateError::Layout(invalid) => invalid.into(),
            error => Self::Content(Arc::new(error)),
        }
    }
}

impl Images {
    /// The one image in the OCI layout that the first `length` bytes of `disk` are. It lasts when this
    /// returns; after an error nothing of it is kept. May be done again.
    ///
    /// # Cancel safety
    /// Safe: it is stopped, and what it wrote is removed.
    pub async fn ingest_build(
        &self,
        maker: &Maker,
        disk: File,
        length: u64,
    ) -> Result<Built, IngestError> {
        let stop = StopWhenDropped::default();
        let (store, into) = (self.store.clone(), maker.images());
        let stopping = Arc::clone(&stop.0);
        let work = move || ingest(&store, &into, disk, length, &stopping);
        // Only a runtime that goes down cancels it, or a panic, which is told there.
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(IngestError::Stopped))
    }
}

fn ingest(
    store: &Store,
    into: &Repository,
    disk: File,
    length: u64,
    stop: &Arc<AtomicBool>,
) -> Result<Built, IngestError> {
    let metadata = disk.metadata().map_err(|error| IngestError::Read(Arc::new(error)))?;
    if length > metadata.len() {
        return Err(IngestError::TooLong { length, disk_bytes: metadata.len() });
    }
    let archive = Archive::new(Box::pin(Disk::new(disk, length, Arc::clone(stop))));
    let taken = take(store, into, archive);
    if stop.load(Ordering::Relaxed) {
        return taken.map_err(|_| IngestError::Stopped);
    }
    taken
}

/// An archive whose content never waits.
fn take(store: &Store, into: &Repository, archive: Archive) -> Result<Built, IngestError> {
    let mut receiver = Receiver::new(store.batch(into)?)?;
    receiver.receive(archive)?;
    let received = receiver.finish()?;
    let whole = verify::verify(&received)?;
    let (blobs, manifests) = (received.kept(&whole.tree)?, whole.manifests());
    received.batch.commit(Lot { blobs, manifests })?;
    Ok(whole.built)
}

#[derive(Debug, Default)]
struct StopWhenDropped(Arc<AtomicBool>);

impl Drop for StopWhenDropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
