//! The content-addressed store: blobs in files, the rest in a database beside them.
//!
//! ```text
//!   upload ─▶ uploads/ID ──────┐  verified, synced, renamed,      row of the blob
//!   download ─▶ partial/HEX ───┴─ directory synced ─▶ blobs/… ──▶ and of its link, one commit
//!                                                                        │
//!   pull ◀── the file, held ◀── link of the repository ◀─────────────────┘
//!
//!   collect: links that nothing reaches ─▶ rows that nothing links ─▶ files
//! ```
//!
//! *Rule of files*: a row stands for a file that is durable, so the file comes first and goes last.
//! Whatever a crash leaves is a file without a row, which is nobody's and is collected.
//! *Rule of names*: content is reached through a repository that links it; who may read that is
//! asked before the store is.
//!
//! All that waits for a disk does so on blocking threads; no future here holds one while it waits
//! for a sender or a receiver.

mod batch;
mod blob;
mod check;
mod collect;
mod described;
mod download;
mod error;
mod files;
mod follow;
mod holds;
mod inner;
mod limits;
mod manifests;
mod place;
mod pour;
mod quota;
mod read;
mod readers;
mod referrers;
mod rights;
mod room;
mod schema;
mod sizes;
mod spool;
mod table;
mod tags;
mod touched;
mod untagged;
mod upload;
mod usage;
mod verify;
mod writer;

use std::{path::Path, sync::Arc};

pub(crate) use self::batch::{Batch, Lot, Part, Source as LotSource, Written};
use self::inner::Inner;
pub use self::{
    blob::StoredBlob,
    check::Checked,
    collect::Collected,
    described::{Described, Reference, Role},
    download::Writer,
    error::StoreError,
    limits::Limits,
    manifests::StoredManifest,
    referrers::{Referrer, Referrers, ReferrersWanted},
    rights::Right,
    upload::UploadId,
    usage::Usage,
};

/// Cheap to clone: all clones are one store.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

impl Store {
    /// Makes what is not there, and heals what a crash has left. Blocks.
    pub fn open(directory: &Path, limits: Limits) -> Result<Self, StoreError> {
        Ok(Self { inner: Inner::open(directory, limits)? })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let inner = Arc::clone(&self.inner);
        // Only a runtime that goes down cancels a blocking task, or a panic, which is told there.
        tokio::task::spawn_blocking(move || work(&inner)).await.map_err(|_| StoreError::Closed)?
    }
}
