//! What was brought from registries outside may come again: over the limit, what was used longest
//! ago goes.

use std::sync::Arc;

use rusqlite::{Connection, params};

use crate::{
    digest::Digest,
    store::{
        StoreError,
        inner::Inner,
        manifests,
        table::{self, Kind, MIRRORS, Place},
        usage,
    },
};

/// Below what is asked for by this part of the limit, so that not every download has to evict.
const SLACK: u64 = 20;

const OLDEST: &str = "\
    SELECT DISTINCT 0, links.digest, links.size, used FROM links
    JOIN blobs ON blobs.digest = links.digest WHERE account = 0 AND kind = 0
    UNION ALL
    SELECT DISTINCT 1, links.digest, links.size, used FROM links
    JOIN manifests ON manifests.digest = links.digest WHERE account = 0 AND kind = 1
    ORDER BY used";

/// Until no more is left than that. Answers blobs that it has unlinked.
pub(super) fn evict(inner: &Arc<Inner>, most: u64) -> Result<Vec<Digest>, StoreError> {
    let slack = inner.limits.mirror_bytes / SLACK;
    if usage::mirrored(inner)? <= most {
        return Ok(Vec::new());
    }
    let shared = Arc::clone(inner);
    inner.writer.write(move |connection| {
        shared.touched.write_down(connection)?;
        let goal = most.saturating_sub(slack);
        let mut excess = table::counted(connection, MIRRORS)?.saturating_sub(goal);
        let mut evicted = Vec::new();
        let mut oldest = connection.prepare_cached(OLDEST)?;
        let mut rows = oldest.query([])?;
        let mut chosen = Vec::new();
        while let Some(row) = rows.next()? {
            let kind = if row.get::<_, i64>(0)? == 0 { Kind::Blob } else { Kind::Manifest };
            let digest = table::digest(row, 1)?;
            if excess == 0 {
                break;
            }
            if !shared.holds.is_held(&digest) {
                excess = excess.saturating_sub(table::unsigned(row.get(2)?));
                chosen.push((kind, digest));
            }
        }
        drop(rows);
        for (kind, digest) in chosen {
            unlink(connection, kind, digest)?;
            if kind == Kind::Blob {
                evicted.push(digest);
            }
        }
        Ok(evicted)
    })
}

fn unlink(connection: &Connection, kind: Kind, digest: Digest) -> Result<(), StoreError> {
    let places = connection
        .prepare_cached(
            "SELECT repository FROM links WHERE digest = ?1 AND kind = ?2 AND account = ?3",
        )?
        .query_map(params![digest.bytes(), kind as i64, MIRRORS], |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    for id in places {
        let place = Place { id, account: MIRRORS };
        match kind {
            Kind::Blob => table::unlink(connection, place, kind, &digest)?,
            Kind::Manifest => manifests::remove(connection, place, digest)?,
        };
    }
    Ok(())
}
