//! Content that comes all at once and is linked all at once: an image with everything in it.
//!
//! ```text
//! begin ─▶ batches/ID-N, synced while the next ones come ─▶ placed, directories synced ─▶ one commit
//!   └── dropped before that: removed                            └── refused: removed
//! ```
//! What an upload costs for each blob (a sync of its file, of its directory and of a commit, one after
//! the other) a batch costs once. The rules of files and of names hold as for any blob.
//!
//! All of it blocks: it is for a thread of its own.

mod commit;
mod sync;

use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
};

use bytes::Bytes;

pub(crate) use self::commit::{Lot, Source};
use self::sync::Syncing;
use super::{
    Store, StoreError, blob, files,
    holds::Hold,
    inner::Inner,
    quota::{Payer, Reservation},
};
use crate::{
    digest::Digest,
    repository::{Repository, Space},
};

/// Written between two wishes that the disk may begin with it.
const SYNC_BYTES: u64 = 32 << 20;

pub(crate) struct Batch {
    inner: Arc<Inner>,
    repository: Repository,
    id: String,
    /// Of each file that was begun, removed in the end where it still is.
    paths: Vec<PathBuf>,
    /// Of blobs that were stored before.
    held: HashMap<Digest, Hold>,
    syncing: Syncing,
    reservation: Reservation,
}

/// A file that is being written.
pub(crate) struct Part {
    path: PathBuf,
    file: Arc<File>,
    written: u64,
    synced: u64,
}

/// One that is whole.
#[derive(Clone, Debug)]
pub(crate) struct Written(PathBuf);

impl Store {
    pub(crate) fn batch(&self, repository: &Repository) -> Result<Batch, StoreError> {
        let inner = Arc::clone(&self.inner);
        let mut random = [0; 32];
        rustix::rand::getrandom(&mut random[..16], rustix::rand::GetRandomFlags::empty())
            .map_err(|error| StoreError::io(&inner.files.batches(), error.into()))?;
        let mut id = Digest::from_bytes(random).hex();
        id.truncate(32);
        let reservation = inner.flight.reserve(Payer::of(&repository.space), 0);
        let syncing = Syncing::begin(&inner.files.batches())?;
        let (paths, held) = (Vec::new(), HashMap::new());
        Ok(Batch { inner, repository: repository.clone(), id, paths, held, syncing, reservation })
    }
}

impl Batch {
    /// Whether there is such a blob, whoever's it is: then it stays until the batch is over.
    pub(crate) fn holds(&mut self, digest: Digest) -> Result<bool, StoreError> {
        let hold = self.inner.holds.hold(digest);
        let look = |connection: &rusqlite::Connection| blob::known(connection, &digest);
        let found = blob::open(&self.inner, hold, digest, look)?;
        if found.is_some() {
            let hold = self.inner.holds.hold(digest);
            self.held.insert(digest, hold);
        }
        Ok(found.is_some())
    }

    /// All of one that it holds, known to be small.
    pub(crate) fn stored(&self, digest: Digest) -> Result<Option<Bytes>, StoreError> {
        if !self.held.contains_key(&digest) {
            return Ok(None);
        }
        Written(self.inner.files.blob(&digest)).read().map(Some)
    }

    /// A file of so many bytes, which count for who pays from here on.
    pub(crate) fn begin(&mut self, size: u64) -> Result<Part, StoreError> {
        let (Space::Build { tenant } | Space::Local { tenant }) = &self.repository.space else {
            return Err(StoreError::Closed);
        };
        let (limit, inner) = (self.inner.limits.tenant_bytes, &self.inner);
        self.reservation.grow(size, limit, || inner.charged(tenant))?;
        let path = self.inner.files.batches().join(format!("{}-{}", self.id, self.paths.len()));
        let opened = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = Arc::new(opened.map_err(|error| StoreError::io(&path, error))?);
        self.paths.push(path.clone());
        Ok(Part { path, file, written: 0, synced: 0 })
    }

    pub(crate) fn write(&mut self, part: &mut Part, bytes: &[u8]) -> Result<(), StoreError> {
        let mut file = &*part.file;
        file.write_all(bytes).map_err(|error| StoreError::io(&part.path, error))?;
        part.written += bytes.len() as u64;
        if part.written - part.synced >= SYNC_BYTES {
            part.synced = part.written;
            self.syncing.sync(&part.path, &part.file)?;
        }
        Ok(())
    }

    /// All of it is written, and on its way to the disk.
    pub(crate) fn finish(&mut self, part: Part) -> Result<Written, StoreError> {
        let Part { path, file, .. } = part;
        self.syncing.sync(&path, &file)?;
        Ok(Written(path))
    }
}

impl Written {
    /// Of what is known to be small.
    pub(crate) fn read(&self) -> Result<Bytes, StoreError> {
        let failed = |error| StoreError::io(&self.0, error);
        let mut bytes = Vec::new();
        File::open(&self.0).and_then(|mut file| file.read_to_end(&mut bytes)).map_err(failed)?;
        Ok(bytes.into())
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = files::remove(path) {
                tracing::warn!(%error, "a part of a batch stays until the next start");
            }
        }
    }
}

/// What a process before this one has begun is nobody's.
pub(super) fn clear(inner: &Inner) -> Result<(), StoreError> {
    let directory = inner.files.batches();
    let failed = |error| StoreError::io(&directory, error);
    for entry in fs::read_dir(&directory).map_err(failed)? {
        files::remove(&entry.map_err(failed)?.path())?;
    }
    Ok(())
}
