//! How a batch gets to stay.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
};

use bytes::Bytes;
use rusqlite::{Connection, params};

use super::{Batch, Written};
use crate::{
    digest::Digest,
    repository::Repository,
    store::{
        Described, StoreError,
        blob::is_known,
        files::{self, Mark},
        inner::{self, Inner, now},
        manifests, table,
        table::{Kind, Link},
    },
};

/// Small files that are written and synced at once: a disk takes their commits together.
const AT_ONCE: usize = 8;

/// What is to stay of a batch, and in which order.
#[derive(Default)]
pub(crate) struct Lot {
    /// Each once, with its size.
    pub(crate) blobs: BTreeMap<Digest, (u64, Source)>,
    /// Children first.
    pub(crate) manifests: Vec<(Described, Bytes)>,
}

pub(crate) enum Source {
    /// Stored before, and held.
    Held,
    Memory(Bytes),
    File(Written),
}

/// What is in its place, and has no row yet.
struct Placed {
    digest: Digest,
    size: u64,
    mark: Mark,
}

impl Batch {
    /// All of it, or nothing. What is not in the lot goes.
    pub(crate) fn commit(mut self, lot: Lot) -> Result<(), StoreError> {
        let Lot { blobs, manifests } = lot;
        let sizes: Vec<_> = blobs.iter().map(|(digest, (size, _))| (*digest, *size)).collect();
        let files = self.files(blobs)?;
        self.syncing.settle()?;
        let inner = Arc::clone(&self.inner);
        // In the order of their digests, as every batch takes them: no two wait for each other.
        let mut locks = Vec::new();
        let mut placed = Vec::new();
        for (digest, (size, path)) in files {
            let hold = inner.holds.hold(digest);
            self.held.insert(digest, hold);
            let lock = inner.holds.lock(digest);
            // Somebody was faster with some.
            if !is_known(&inner, digest)? {
                locks.push(lock);
                placed.push((digest, size, path));
            }
        }
        let placed = place(&inner, placed)?;
        let written = self.link(&placed, sizes, manifests);
        if written.is_err() {
            take_back(&inner, &placed);
        }
        drop(locks);
        written
    }

    /// Where those are that are not stored yet, durable once the syncing has settled.
    fn files(
        &mut self,
        blobs: BTreeMap<Digest, (u64, Source)>,
    ) -> Result<BTreeMap<Digest, (u64, PathBuf)>, StoreError> {
        let (mut files, mut small) = (BTreeMap::new(), Vec::new());
        for (digest, (size, source)) in blobs {
            match source {
                Source::Held => {}
                Source::File(Written(path)) => drop(files.insert(digest, (size, path))),
                Source::Memory(bytes) => {
                    let part = self.begin(size)?;
                    files.insert(digest, (size, part.path.clone()));
                    small.push((part, bytes));
                }
            }
        }
        let each = small.len().div_ceil(AT_ONCE).max(1);
        thread::scope(|scope| {
            let threads: Vec<_> = small
                .chunks(each)
                .map(|parts| scope.spawn(|| parts.iter().try_for_each(write_small)))
                .collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().unwrap_or(Err(StoreError::Closed)))
        })?;
        Ok(files)
    }

    fn link(
        &self,
        placed: &[Placed],
        sizes: Vec<(Digest, u64)>,
        manifests: Vec<(Described, Bytes)>,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> =
            placed.iter().map(|placed| (placed.digest, placed.size, placed.mark)).collect();
        let (shared, repository) = (Arc::clone(&self.inner), self.repository.clone());
        let own = self.reservation.bytes();
        self.inner.writer.write(move |connection| {
            let before = inner::charged(connection, &repository.space)?;
            for (digest, size, mark) in &rows {
                insert(connection, *digest, *size, *mark)?;
            }
            link(connection, &repository, &sizes)?;
            for (described, bytes) in &manifests {
                let digest = Digest::of(bytes);
                manifests::put(connection, &repository, None, digest, described, bytes)?;
            }
            if inner::charged(connection, &repository.space)? > before {
                // What it has in flight is stored now, and counts once.
                shared.admit_beside(connection, &repository.space, own)?;
            }
            Ok(())
        })
    }
}

fn write_small((part, bytes): &(super::Part, Bytes)) -> Result<(), StoreError> {
    let mut file = &*part.file;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| StoreError::io(&part.path, error))
}

/// Under the digests' locks. After an error none of them is there.
fn place(inner: &Inner, files: Vec<(Digest, u64, PathBuf)>) -> Result<Vec<Placed>, StoreError> {
    let mut placed = Vec::new();
    let all = place_each(inner, files, &mut placed);
    if all.is_err() {
        take_back(inner, &placed);
    }
    all.map(|()| placed)
}

fn place_each(
    inner: &Inner,
    files: Vec<(Digest, u64, PathBuf)>,
    placed: &mut Vec<Placed>,
) -> Result<(), StoreError> {
    let mut directories = BTreeSet::new();
    for (digest, size, from) in files {
        let path = inner.files.blob(&digest);
        let failed = |error| StoreError::io(&path, error);
        fs::rename(&from, &path).map_err(failed)?;
        let mark = files::mark(&fs::metadata(&path).map_err(failed)?);
        placed.push(Placed { digest, size, mark });
        directories.extend(path.parent().map(Path::to_owned));
    }
    for directory in directories {
        let synced = OpenOptions::new().read(true).open(&directory).and_then(|file| {
            let directory: File = file;
            directory.sync_all()
        });
        synced.map_err(|error| StoreError::io(&directory, error))?;
    }
    Ok(())
}

/// No row speaks of them, and nobody else can have made one: their locks are taken.
fn take_back(inner: &Inner, placed: &[Placed]) {
    for Placed { digest, .. } in placed {
        if let Err(error) = files::remove(&inner.files.blob(digest)) {
            tracing::warn!(%digest, %error, "a blob without a row stays until the next collection");
            inner.swept.store(false, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn insert(connection: &Connection, digest: Digest, size: u64, mark: Mark) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO blobs (digest, size, used, inode, changed) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![digest.bytes(), table::signed(size), now(), mark.inode, mark.changed])?;
    Ok(())
}

fn link(
    connection: &Connection,
    repository: &Repository,
    blobs: &[(Digest, u64)],
) -> Result<(), StoreError> {
    let place = table::make_place(connection, repository)?;
    for (digest, size) in blobs {
        // One that was altered on the disk meanwhile is gone, hold or not.
        if crate::store::blob::known(connection, digest)?.is_none() {
            return Err(StoreError::Missing(vec![*digest]));
        }
        let link = Link { kind: Kind::Blob, digest: *digest, size: *size, media_type: None };
        table::link(connection, place, &link, now())?;
    }
    Ok(())
}
