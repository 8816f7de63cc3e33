//! Whether a blob's file is what its name says.
//!
//! What was verified once is not hashed at each reading. A file is trusted while it carries the mark
//! that it had when it was verified (its inode and the time of its last change, which no program can
//! set); one that carries another is hashed before the first byte of it goes out. So a file that
//! somebody altered is never served, and one that was copied elsewhere and back is.

use std::{fs, io::ErrorKind, sync::Arc};

use rusqlite::params;

use super::{
    StoreError,
    blob::known,
    files,
    inner::Inner,
    spool,
    table::{self, Kind},
};
use crate::digest::Digest;

/// What a blob was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Well,
    Absent,
    Dropped,
}

/// Reads all of it. One that is not what its name says goes, with all that links it: where it is
/// asked for next, it is brought or pushed again.
pub(super) fn verify_again(inner: &Arc<Inner>, digest: Digest) -> Result<Found, StoreError> {
    let _lock = inner.holds.lock(digest);
    let path = inner.files.blob(&digest);
    let Some(known) = inner.readers.read(|connection| Ok(known(connection, &digest)?))? else {
        return Ok(Found::Absent);
    };
    let (found, size, mark) = match spool::digest_of(&path) {
        Ok(found) => found,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            forget(inner, digest, "its file is gone")?;
            return Ok(Found::Dropped);
        }
        Err(error) => return Err(StoreError::io(&path, error)),
    };
    let still = fs::metadata(&path).map(|metadata| files::mark(&metadata));
    if found != digest || size != known.size || still.ok() != Some(mark) {
        forget(inner, digest, "its file was altered")?;
        files::remove(&path)?;
        return Ok(Found::Dropped);
    }
    if mark != known.mark {
        inner.writer.write(move |connection| {
            connection
                .prepare_cached("UPDATE blobs SET inode = ?2, changed = ?3 WHERE digest = ?1")?
                .execute(params![digest.bytes(), mark.inode, mark.changed])?;
            Ok(())
        })?;
    }
    Ok(Found::Well)
}

pub(super) fn forget(inner: &Arc<Inner>, digest: Digest, why: &str) -> Result<(), StoreError> {
    tracing::error!(%digest, why, "a blob of the image store is dropped");
    inner.writer.write(move |connection| {
        let mut holders = connection.prepare_cached(
            "SELECT repository, account FROM links WHERE digest = ?1 AND kind = 0",
        )?;
        let places = holders
            .query_map([digest.bytes()], |row| {
                Ok(table::Place { id: row.get(0)?, account: row.get(1)? })
            })?
            .collect::<Result<Vec<_>, _>>()?;
        for place in places {
            table::unlink(connection, place, Kind::Blob, &digest)?;
        }
        connection
            .prepare_cached("DELETE FROM blobs WHERE digest = ?1")?
            .execute([digest.bytes()])?;
        Ok(())
    })
}
