//! What is brought from elsewhere under a digest that is known: kept when it breaks off, gone on
//! with by the next one, and read while it grows.

use std::{
    collections::HashMap,
    fs::{self, File, Metadata},
    io::ErrorKind,
    path::PathBuf,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use bytes::Bytes;
use tokio::sync::{self, watch};

use super::{
    Store, StoreError,
    blob::StoredBlob,
    files, follow,
    inner::Inner,
    place,
    pour::Pour,
    quota::Payer,
    spool::{Progress, Spool},
};
use crate::{
    content::{Chunks, Part},
    digest::Digest,
    repository::{Repository, Space},
};

/// Writes a blob whose digest is known. Dropped before it is committed, it leaves what it has
/// written to the next one of the same digest.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    name: String,
    number: u64,
    repository: Repository,
    digest: Digest,
    size: Option<u64>,
    offset: u64,
    pour: Pour,
    file: Arc<File>,
    progress: watch::Receiver<Progress>,
}

/// Of the name of a partial file. Who brings it first goes on with what is there; others of the same
/// digest work beside it, and keep nothing.
#[derive(Debug)]
pub(super) struct Claim {
    inner: Arc<Inner>,
    name: String,
    by: u64,
    is_kept: bool,
}

/// The names that are taken, and those of files that are kept.
#[derive(Debug, Default)]
pub(super) struct Claims {
    names: Mutex<Names>,
    writers: AtomicU64,
    /// Signalled when a name is free again.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Names {
    taken: HashMap<String, Taken>,
    /// Files that count for the mirrors: that no writer has, or none has charged to anybody yet.
    kept: HashMap<String, Kept>,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    bytes: u64,
    modified: SystemTime,
}

/// By which writer, of all that there were.
#[derive(Clone, Copy, Debug)]
struct Taken {
    by: u64,
    /// The writer is gone; its last batch is being written, or the file removed.
    is_leaving: bool,
}

impl Store {
    /// Whether a blob is there already is not asked. The size, where it is known, bounds what is
    /// taken.
    pub async fn write(
        &self,
        repository: &Repository,
        digest: Digest,
        size: Option<u64>,
    ) -> Result<Writer, StoreError> {
        let payer = Payer::of(&repository.space);
        let most = self.inner.limits.mirror_bytes;
        if let Some(size) = size.filter(|size| payer == Payer::Mirrors && *size > most) {
            return Err(payer.full(most, size));
        }
        let source = repository.space.clone();
        let opened = self.run(move |inner| {
            let claim = Claims::take(inner, digest, &source);
            let (name, number, path) = (claim.name.clone(), claim.by, claim.path());
            let mut spool = Spool::open(inner, &path, payer, Some(claim))?;
            inner.downloads.charged(&name);
            if size.is_some_and(|size| spool.written() > size) {
                spool.cut(0)?;
            }
            let file = File::open(&path).map_err(|error| StoreError::io(&path, error))?;
            Ok((spool, name, number, Arc::new(file)))
        });
        let (spool, name, number, file) = opened.await?;
        let (offset, progress) = (spool.written(), spool.progress());
        let pour = Pour::begin(Arc::new(sync::Mutex::new(spool))).await;
        let (store, repository) = (self.clone(), repository.clone());
        Ok(Writer { store, name, number, repository, digest, size, offset, pour, file, progress })
    }
}

impl Writer {
    /// What is there, written or on its way: where to go on.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// # Cancel safety
    /// When the future is dropped, bytes that were pushed are written all the same or with the next.
    pub async fn push(&mut self, bytes: Bytes) -> Result<(), StoreError> {
        let offset = self.offset + bytes.len() as u64;
        if let Some(expected) = self.size.filter(|size| offset > *size) {
            return Err(StoreError::TooLong { expected });
        }
        self.offset = offset;
        self.pour.push(bytes).await
    }

    /// What was pushed can be read, and is found by the next one: for when nothing more comes for now.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        self.pour.flush().await
    }

    /// Begins anew, where the source cannot go on in the middle.
    pub async fn restart(&mut self) -> Result<(), StoreError> {
        self.pour.cut(0).await?;
        self.offset = 0;
        Ok(())
    }

    /// Follows what is written, from before this call on too. The last byte of what is asked for is
    /// given when all of the blob is verified; where that fails, or the writer goes, an error.
    pub fn reader(&self, part: Option<Part>) -> Chunks {
        follow::follow(Arc::clone(&self.file), self.progress.clone(), self.size, part)
    }

    /// Verified, durable and linked. Bytes of another digest are removed.
    pub async fn commit(mut self) -> Result<StoredBlob, StoreError> {
        let mut spool = self.pour.finish().await?;
        let (repository, digest, size) = (self.repository.clone(), self.digest, self.size);
        let is_mirror = Payer::of(&repository.space) == Payer::Mirrors;
        let blob = self
            .store
            .run(move |inner| {
                if size.is_some_and(|size| spool.written() < size) {
                    return Err(StoreError::Stream(Arc::new(ErrorKind::UnexpectedEof.into())));
                }
                let found = spool.digest()?;
                if found != digest {
                    spool.remove()?;
                    return Err(StoreError::OtherDigest { expected: digest, found });
                }
                let blob = place::place(inner, &mut spool, &repository, digest)?;
                spool.verified();
                Ok(blob)
            })
            .await?;
        if is_mirror {
            self.store.make_room_later();
        }
        Ok(blob)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.store.inner.downloads.leave(&self.name, self.number);
    }
}

impl Claims {
    /// Blocks while a writer that is gone has something left to write. What one source has sent is
    /// nothing to go on with for another one: it would pass for having all of it by sending the rest,
    /// and its readers would see what is not theirs.
    fn take(inner: &Arc<Inner>, digest: Digest, source: &Space) -> Claim {
        let claims = &inner.downloads;
        let whose = match source {
            Space::Local { tenant } => format!("tenant {tenant}"),
            Space::Build { tenant } => format!("builds of {tenant}"),
            Space::Mirror { host } => format!("registry {host}"),
        };
        let kept = format!("{}-{}", digest.hex(), &Digest::of(whose.as_bytes()).hex()[..16]);
        let mut names = claims.names();
        while names.taken.get(&kept).is_some_and(|taken| taken.is_leaving) {
            names = claims.freed.wait(names).unwrap_or_else(PoisonError::into_inner);
        }
        let is_kept = !names.taken.contains_key(&kept);
        let mut name = kept.clone();
        let mut number = 1;
        while names.taken.contains_key(&name) {
            name = format!("{kept}.{number}");
            number += 1;
        }
        let by = claims.writers.fetch_add(1, Ordering::Relaxed);
        names.taken.insert(name.clone(), Taken { by, is_leaving: false });
        Claim { inner: Arc::clone(inner), name, by, is_kept }
    }

    /// Another may have the name by now.
    fn leave(&self, name: &str, by: u64) {
        if let Some(taken) = self.names().taken.get_mut(name).filter(|taken| taken.by == by) {
            taken.is_leaving = true;
        }
    }

    /// What the process before has kept.
    pub(super) fn find(inner: &Inner) -> Result<(), StoreError> {
        let directory = inner.files.partial();
        let failed = |error| StoreError::io(&directory, error);
        let mut names = inner.downloads.names();
        for entry in fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kept = Kept::of(&entry.metadata().map_err(failed)?);
            names.kept.insert(entry.file_name().to_string_lossy().into_owned(), kept);
        }
        Ok(())
    }

    /// Its writer is charged for it now.
    fn charged(&self, name: &str) {
        self.names().kept.remove(name);
    }

    /// Bytes of them.
    pub(super) fn kept(&self) -> u64 {
        self.names().kept.values().map(|kept| kept.bytes).sum()
    }

    /// Those that no writer has, with when they were last written, the oldest first.
    pub(super) fn unclaimed(&self) -> Vec<(String, SystemTime)> {
        let names = self.names();
        let unclaimed = names.kept.iter().filter(|(name, _)| !names.taken.contains_key(*name));
        let mut unclaimed: Vec<_> =
            unclaimed.map(|(name, kept)| (name.clone(), kept.modified)).collect();
        drop(names);
        unclaimed.sort_by_key(|(_, modified)| *modified);
        unclaimed
    }

    /// Unless a writer has it by now. One that comes meanwhile waits.
    pub(super) fn discard(inner: &Arc<Inner>, name: &str) {
        let claims = &inner.downloads;
        let mut names = claims.names();
        if names.taken.contains_key(name) {
            return;
        }
        let by = claims.writers.fetch_add(1, Ordering::Relaxed);
        names.taken.insert(name.to_owned(), Taken { by, is_leaving: true });
        drop(names);
        drop(Claim { inner: Arc::clone(inner), name: name.to_owned(), by, is_kept: false });
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self { bytes: metadata.len(), modified }
    }
}

impl Claim {
    fn path(&self) -> PathBuf {
        self.inner.files.partial().join(&self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_kept
            && let Err(error) = files::remove(&self.path())
        {
            tracing::warn!(%error, "a part of a download stays until it is old");
        }
        let left = fs::metadata(self.path()).ok().map(|metadata| Kept::of(&metadata));
        let mut names = self.inner.downloads.names();
        match left {
            Some(kept) => names.kept.insert(self.name.clone(), kept),
            None => names.kept.remove(&self.name),
        };
        names.taken.remove(&self.name);
        drop(names);
        self.inner.downloads.freed.notify_all();
    }
}
