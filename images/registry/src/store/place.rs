//! How a blob gets to stay.

use std::{
    fs::{self, File},
    sync::{Arc, atomic::Ordering},
};

use rusqlite::{Connection, params};

use super::{
    StoreError,
    blob::{StoredBlob, is_known, known, open},
    inner::{Inner, now},
    spool::Spool,
    table::{self, Kind, Link, ROW_BYTES},
};
use crate::{digest::Digest, repository::Repository};

/// A spool becomes a blob, durable and linked.
///
/// The file is in its place before the row is, and both are under the digest's lock, so a collection
/// that finds the file without a row does not take it for a leftover.
pub(super) fn place(
    inner: &Arc<Inner>,
    spool: &mut Spool,
    repository: &Repository,
    digest: Digest,
) -> Result<StoredBlob, StoreError> {
    let size = spool.written();
    let mut is_synced = false;
    let (hold, lock) = loop {
        let hold = inner.holds.hold(digest);
        if let Some(blob) = open(inner, hold, digest, |connection| known(connection, &digest))?
            && link_known(inner, repository, digest, size)?
        {
            // Somebody was faster. What the tenant has sent stops being in flight.
            spool.remove()?;
            return Ok(blob);
        }
        if !is_synced {
            spool.sync()?;
            is_synced = true;
        }
        let hold = inner.holds.hold(digest);
        let lock = inner.holds.lock(digest);
        // Others have had time until here, and none from here on.
        if !is_known(inner, digest)? {
            break (hold, lock);
        }
    };
    let mark = inner.files.place(spool.path(), &digest)?;
    spool.close();
    let (shared, owner) = (Arc::clone(inner), repository.clone());
    let written = inner.writer.write(move |connection| {
        connection
            .prepare_cached(
                "INSERT OR REPLACE INTO blobs (digest, size, used, inode, changed) \
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                digest.bytes(),
                table::signed(size),
                now(),
                mark.inode,
                mark.changed
            ])?;
        link_sent(&shared, connection, &owner, digest, size)
    });
    let path = inner.files.blob(&digest);
    if let Err(error) = written {
        take_back(inner, spool, digest);
        return Err(error);
    }
    let file = File::open(&path).map_err(|error| StoreError::io(&path, error))?;
    drop(lock);
    Ok(StoredBlob { digest, size, file: Arc::new(file), hold: Arc::new(hold) })
}

/// The row could not be written: it is a spool again.
fn take_back(inner: &Inner, spool: &mut Spool, digest: Digest) {
    let path = inner.files.blob(&digest);
    if let Err(error) = fs::rename(&path, spool.path()) {
        tracing::warn!(%digest, %error, "a blob without a row stays until the next collection");
        inner.swept.store(false, Ordering::Relaxed);
        spool.strand(&path);
    }
}

/// False: it has gone meanwhile.
fn link_known(
    inner: &Arc<Inner>,
    repository: &Repository,
    digest: Digest,
    size: u64,
) -> Result<bool, StoreError> {
    let (shared, repository) = (Arc::clone(inner), repository.clone());
    inner.writer.write(move |connection| {
        let is_there = known(connection, &digest)?.is_some();
        if is_there {
            link_sent(&shared, connection, &repository, digest, size)?;
        }
        Ok(is_there)
    })
}

/// Room was made for it when it came in, and not for the row.
fn link_sent(
    inner: &Inner,
    connection: &Connection,
    repository: &Repository,
    digest: Digest,
    size: u64,
) -> Result<(), StoreError> {
    let place = table::make_place(connection, repository)?;
    if !table::is_linked(connection, place, Kind::Blob, &digest)? {
        inner.admit(connection, &repository.space, ROW_BYTES)?;
    }
    let link = Link { kind: Kind::Blob, digest, size, media_type: None };
    Ok(table::link(connection, place, &link, now())?)
}
