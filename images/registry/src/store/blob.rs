//! Blobs that are there.
//!
//! They are found by the row, opened while held, and trusted while the file carries its mark: see
//! [`verify`].

use std::{
    fs::File,
    io::ErrorKind,
    sync::{Arc, PoisonError},
};

use rusqlite::{Connection, OptionalExtension as _};

use super::{
    Store, StoreError,
    files::{self, Mark},
    holds::Hold,
    inner::{Inner, now},
    read,
    table::{self, Kind, Link},
    verify::{self, Found},
};
use crate::{
    content::{Chunks, Part},
    digest::Digest,
    repository::Repository,
};

/// Stays where it is while this lives.
#[derive(Debug)]
pub struct StoredBlob {
    pub digest: Digest,
    pub size: u64,
    pub(super) file: Arc<File>,
    pub(super) hold: Arc<Hold>,
}

/// A row of `blobs`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) size: u64,
    pub(super) mark: Mark,
}

impl StoredBlob {
    /// From the part's first byte to its last one, or to the blob's where that comes first.
    pub fn chunks(&self, part: Option<Part>) -> Chunks {
        let part = part.unwrap_or(Part { start: 0, length: self.size });
        let end = part.start.saturating_add(part.length).min(self.size);
        read::whole(Arc::clone(&self.file), part.start, end, Arc::clone(&self.hold))
    }

    /// For whoever reads at places of its own choosing.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Store {
    /// One that the repository links.
    pub async fn blob(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<StoredBlob>, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| find(inner, Some(&repository), digest)).await
    }

    /// Whoever's it is: what may be done with it is for the caller to know.
    pub async fn anywhere(&self, digest: Digest) -> Result<Option<StoredBlob>, StoreError> {
        self.run(move |inner| find(inner, None, digest)).await
    }

    /// False: there is no such blob.
    pub async fn link(&self, repository: &Repository, digest: Digest) -> Result<bool, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            let hold = inner.holds.hold(digest);
            inner.touched.touch(digest);
            let shared = Arc::clone(inner);
            let linked = inner.writer.write(move |connection| {
                let Some(known) = known(connection, &digest)? else { return Ok(false) };
                link_blob(&shared, connection, &repository, digest, known.size)?;
                Ok(true)
            });
            drop(hold);
            linked
        })
        .await
    }

    /// False: the repository has no such blob.
    pub async fn unlink(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(false) };
                Ok(table::unlink(connection, place, Kind::Blob, &digest)?)
            })
        })
        .await
    }
}

pub(super) fn is_known(inner: &Inner, digest: Digest) -> Result<bool, StoreError> {
    inner.readers.read(|connection| Ok(known(connection, &digest)?.is_some()))
}

/// What is linked counts, unless it counts already.
fn link_blob(
    inner: &Inner,
    connection: &Connection,
    repository: &Repository,
    digest: Digest,
    size: u64,
) -> Result<(), StoreError> {
    inner.within(connection, &repository.space, || {
        let place = table::make_place(connection, repository)?;
        let link = Link { kind: Kind::Blob, digest, size, media_type: None };
        Ok(table::link(connection, place, &link, now())?)
    })
}

fn find(
    inner: &Arc<Inner>,
    repository: Option<&Repository>,
    digest: Digest,
) -> Result<Option<StoredBlob>, StoreError> {
    if inner.touched.are_many() {
        let shared = Arc::clone(inner);
        inner.writer.write(move |connection| shared.touched.write_down(connection))?;
    }
    // Held first: see `Holds::hold`.
    let hold = inner.holds.hold(digest);
    open(inner, hold, digest, |connection| {
        if let Some(repository) = repository {
            let Some(place) = table::place(connection, repository)? else { return Ok(None) };
            if !table::is_linked(connection, place, Kind::Blob, &digest)? {
                return Ok(None);
            }
        }
        known(connection, &digest)
    })
}

pub(super) fn open(
    inner: &Arc<Inner>,
    hold: Hold,
    digest: Digest,
    look: impl Fn(&Connection) -> rusqlite::Result<Option<Known>>,
) -> Result<Option<StoredBlob>, StoreError> {
    let path = inner.files.blob(&digest);
    let failed = |error| StoreError::io(&path, error);
    let looked = || {
        let _look = inner.looks.read().unwrap_or_else(PoisonError::into_inner);
        inner.touched.touch(digest);
        inner.readers.read(|connection| Ok(look(connection)?))
    };
    let Some(known) = looked()? else { return Ok(None) };
    let (file, metadata) = match File::open(&path).and_then(|file| Ok((file.metadata()?, file))) {
        Ok((metadata, file)) => (file, metadata),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A collection may have been on its way when the row was read.
            let _lock = inner.holds.lock(digest);
            if looked()?.is_some() && !path.exists() {
                verify::forget(inner, digest, "its file is gone")?;
            }
            return Ok(None);
        }
        Err(error) => return Err(failed(error)),
    };
    let mark = files::mark(&metadata);
    if metadata.len() != known.size || mark != known.mark {
        drop(file);
        if verify::verify_again(inner, digest)? != Found::Well {
            return Ok(None);
        }
        let file = File::open(&path).map_err(failed)?;
        let blob =
            StoredBlob { digest, size: known.size, file: Arc::new(file), hold: Arc::new(hold) };
        return Ok(Some(blob));
    }
    Ok(Some(StoredBlob { digest, size: known.size, file: Arc::new(file), hold: Arc::new(hold) }))
}

pub(super) fn known(connection: &Connection, digest: &Digest) -> rusqlite::Result<Option<Known>> {
    connection
        .prepare_cached("SELECT size, inode, changed FROM blobs WHERE digest = ?1")?
        .query_row([digest.bytes()], |row| {
            let size = table::unsigned(row.get(0)?);
            Ok(Known { size, mark: Mark { inode: row.get(1)?, changed: row.get(2)? } })
        })
        .optional()
}
