//! What nothing links goes from the disk.

use std::sync::Arc;

use rusqlite::{Connection, params};

use super::Collected;
use crate::{
    digest::Digest,
    store::{
        StoreError, files,
        holds::Lock,
        inner::Inner,
        table::{self, Kind},
    },
};

/// Rows of one transaction: one sync for many, and nobody waits long for the writer.
const BATCH: usize = 256;

pub(super) fn reclaim_all(inner: &Arc<Inner>) -> Result<Collected, StoreError> {
    while reclaim_manifests(inner)? == BATCH {}
    let unlinked = inner.readers.read(|connection| {
        let mut unlinked = connection.prepare_cached(
            "SELECT digest FROM blobs WHERE NOT EXISTS \
             (SELECT 1 FROM links WHERE links.digest = blobs.digest AND kind = 0)",
        )?;
        let unlinked = unlinked.query_map([], |row| table::digest(row, 0))?;
        Ok(unlinked.collect::<Result<Vec<_>, _>>()?)
    })?;
    reclaim(inner, &unlinked)
}

/// Those of them that nothing links and nobody holds.
pub(super) fn reclaim(inner: &Arc<Inner>, digests: &[Digest]) -> Result<Collected, StoreError> {
    let mut collected = Collected::default();
    for batch in digests.chunks(BATCH) {
        let locks: Vec<_> =
            batch.iter().filter_map(|digest| inner.holds.lock_unheld(*digest)).collect();
        let locked: Vec<_> = locks.iter().map(Lock::digest).collect();
        let shared = Arc::clone(inner);
        let removed = inner.writer.write(move |connection| {
            let mut removed = Vec::new();
            for digest in locked {
                // Who holds it since then looks for the row after this commit, or finds it before
                // and the file gone: none to it either way.
                if !shared.holds.is_held(&digest)
                    && let Some(size) = remove(connection, &digest)?
                {
                    removed.push((digest, size));
                }
            }
            Ok(removed)
        })?;
        for (digest, size) in removed {
            files::remove(&inner.files.blob(&digest))?;
            collected.add(Collected { blobs: 1, bytes: size });
        }
        drop(locks);
    }
    Ok(collected)
}

fn remove(connection: &Connection, digest: &Digest) -> Result<Option<u64>, StoreError> {
    let is_linked = connection
        .prepare_cached("SELECT 1 FROM links WHERE digest = ?1 AND kind = ?2 LIMIT 1")?
        .exists(params![digest.bytes(), Kind::Blob as i64])?;
    if is_linked {
        return Ok(None);
    }
    let mut delete =
        connection.prepare_cached("DELETE FROM blobs WHERE digest = ?1 RETURNING size")?;
    let mut rows = delete.query([digest.bytes()])?;
    Ok(match rows.next()? {
        Some(row) => Some(table::unsigned(row.get(0)?)),
        None => None,
    })
}

/// Their bytes are their rows. Answers how many, of a batch at most.
fn reclaim_manifests(inner: &Inner) -> Result<usize, StoreError> {
    const UNLINKED: &str = "SELECT digest FROM manifests WHERE NOT EXISTS \
         (SELECT 1 FROM links WHERE links.digest = manifests.digest AND kind = 1) LIMIT ?1";
    let batch = i64::try_from(BATCH).unwrap_or(i64::MAX);
    let is_any = inner
        .readers
        .read(|connection| Ok(connection.prepare_cached(UNLINKED)?.exists([batch])?))?;
    if !is_any {
        return Ok(0);
    }
    inner.writer.write(move |connection| {
        let unlinked = connection
            .prepare_cached(UNLINKED)?
            .query_map([batch], |row| table::digest(row, 0))?
            .collect::<Result<Vec<_>, _>>()?;
        for digest in &unlinked {
            for statement in
                ["DELETE FROM manifests WHERE digest = ?1", "DELETE FROM edges WHERE parent = ?1"]
            {
                connection.prepare_cached(statement)?.execute([digest.bytes()])?;
            }
        }
        Ok(unlinked.len())
    })
}
