//! Garbage collection, while others push and pull.
//!
//! ```text
//!   tags, and what is young ─▶ manifests ─▶ their manifests and referrers ─▶ their blobs
//!                                                     what is left is unlinked
//!   over the mirrors' limit ─▶ what was used longest ago is unlinked
//!   what nothing links ─▶ its row goes, then its file
//! ```
//!
//! *Why nothing is eaten*: links go in transactions of the one writer, in which what a manifest
//! needs was checked too, so a manifest either finds its blobs or is refused. Who looks for a blob
//! before it pushes the manifest makes it young by that; a look and the transaction that unlinks
//! exclude each other. A row goes only under its digest's lock and while nobody holds the digest,
//! and so does the file.
//! *After a crash*: a file whose row is gone or never came is nobody's, and the first collection of
//! a process removes it.

mod evict;
mod mark;
mod reclaim;
mod sweep;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::{Duration, SystemTime},
};

use super::{
    Store, StoreError,
    download::Claims,
    inner::{Inner, now},
    room,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub blobs: u64,
    pub bytes: u64,
}

impl Store {
    /// What nothing needs any more goes.
    pub async fn collect(&self) -> Result<Collected, StoreError> {
        self.collect_older(self.inner.limits.untagged_age).await
    }

    /// With another age for what no tag reaches. None at all would also take what is being pushed.
    pub async fn collect_older(&self, untagged_age: Duration) -> Result<Collected, StoreError> {
        self.run(move |inner| {
            let _alone = inner.collecting.lock().unwrap_or_else(PoisonError::into_inner);
            inner.uploads.expire(inner, inner.limits.upload_age)?;
            expire_parts(inner);
            mark::unlink_unreached(inner, before(untagged_age))?;
            let mut collected = room::make(inner, 0)?;
            collected.add(reclaim::reclaim_all(inner)?);
            if !inner.swept.load(Ordering::Relaxed) {
                collected.add(sweep::sweep(inner)?);
                inner.swept.store(true, Ordering::Relaxed);
            }
            Ok(collected)
        })
        .await
    }

    /// Content was brought: the mirrors are kept within their limit, and nobody waits for it.
    pub(super) fn make_room_later(&self) {
        let inner = Arc::clone(&self.inner);
        drop(tokio::task::spawn_blocking(move || {
            let Ok(_alone) = inner.collecting.try_lock() else { return };
            if let Err(error) = room::make(&inner, 0) {
                tracing::error!(%error, "what is over the limit of the mirrors stays");
            }
        }));
    }
}

impl Collected {
    fn add(&mut self, more: Self) {
        self.blobs += more.blobs;
        self.bytes += more.bytes;
    }
}

fn before(age: Duration) -> i64 {
    now().saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX))
}

/// What mirrors have brought goes until so much is left, or as little as nobody holds.
pub(super) fn evict_to(inner: &Arc<Inner>, most: u64) -> Result<Collected, StoreError> {
    let evicted = evict::evict(inner, most)?;
    reclaim::reclaim(inner, &evicted)
}

/// Parts of downloads that nobody goes on with.
fn expire_parts(inner: &Arc<Inner>) {
    let now = SystemTime::now();
    for (part, modified) in inner.downloads.unclaimed() {
        let idle = now.duration_since(modified).unwrap_or_default();
        if idle >= inner.limits.upload_age {
            Claims::discard(inner, &part);
        }
    }
}
