//! Which links of tenants' repositories nothing reaches.

use std::sync::{Arc, PoisonError};

use rusqlite::{Connection, params};

use crate::{
    digest::Digest,
    store::{
        StoreError,
        inner::Inner,
        table::{self, Kind, MIRRORS, Place},
    },
};

/// From tags and young manifests, over indexes and referrers.
const UNREACHED_MANIFESTS: &str = "\
    WITH RECURSIVE reached (digest) AS (
        SELECT digest FROM tags WHERE repository = ?1
        UNION
        SELECT links.digest FROM links JOIN manifests ON manifests.digest = links.digest
        WHERE repository = ?1 AND kind = 1 AND (at > ?2 OR used > ?2)
        UNION
        SELECT child FROM reached JOIN edges ON parent = reached.digest AND kind = 1
        UNION
        SELECT manifests.digest FROM reached JOIN manifests ON subject = reached.digest
        JOIN links ON links.repository = ?1 AND kind = 1 AND links.digest = manifests.digest
    )
    SELECT digest FROM links
    WHERE repository = ?1 AND kind = 1 AND digest NOT IN (SELECT digest FROM reached)";

/// Asked when the manifests of before are gone.
const UNREACHED_BLOBS: &str = "\
    SELECT links.digest FROM links
    WHERE repository = ?1 AND kind = 0 AND at <= ?2
    AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = links.digest AND used > ?2)
    AND NOT EXISTS (
        SELECT 1 FROM edges JOIN links AS parents
        ON parents.repository = ?1 AND parents.kind = 1 AND parents.digest = edges.parent
        WHERE edges.child = links.digest AND edges.kind = 0
    )";

pub(super) fn unlink_unreached(inner: &Arc<Inner>, before: i64) -> Result<(), StoreError> {
    for place in places(inner)? {
        // Most have nothing to give, and then nobody waits.
        let is_any = inner.readers.read(|connection| {
            Ok(is_any(connection, UNREACHED_MANIFESTS, place, before)?
                || is_any(connection, UNREACHED_BLOBS, place, before)?)
        })?;
        if !is_any {
            continue;
        }
        // From the looks that are written down in there to the commit nobody looks for a blob: who
        // was told that one is there finds it there when the manifest comes.
        let _looks = inner.looks.write().unwrap_or_else(PoisonError::into_inner);
        let shared = Arc::clone(inner);
        inner.writer.write(move |connection| {
            shared.touched.write_down(connection)?;
            for (kind, unreached) in
                [(Kind::Manifest, UNREACHED_MANIFESTS), (Kind::Blob, UNREACHED_BLOBS)]
            {
                for digest in digests(connection, unreached, place, before)? {
                    table::unlink(connection, place, kind, &digest)?;
                }
            }
            Ok(())
        })?;
    }
    let idle = super::before(inner.limits.upload_age);
    inner.writer.write(move |connection| {
        // Written just before something is brought. Where nothing is there since, it lets nobody read
        // anything, and is asked for again.
        connection.execute(
            "DELETE FROM rights WHERE at <= ?1 \
             AND NOT EXISTS (SELECT 1 FROM links WHERE links.repository = rights.repository)",
            [idle],
        )?;
        connection.execute(
            "DELETE FROM repositories \
             WHERE NOT EXISTS (SELECT 1 FROM links WHERE repository = repositories.id) \
             AND NOT EXISTS (SELECT 1 FROM rights WHERE repository = repositories.id)",
            [],
        )?;
        Ok(())
    })
}

fn places(inner: &Inner) -> Result<Vec<Place>, StoreError> {
    inner.readers.read(|connection| {
        let mut places = connection.prepare_cached(
            // What a build made is reached by no tag and stays: only its caches have one.
            "SELECT id, account FROM repositories WHERE account != ?1 \
                 AND (host != ?2 OR instr(name, '/') > 0)",
        )?;
        let values = params![MIRRORS, table::BUILD];
        let places =
            places.query_map(values, |row| Ok(Place { id: row.get(0)?, account: row.get(1)? }))?;
        Ok(places.collect::<Result<_, _>>()?)
    })
}

fn is_any(
    connection: &Connection,
    query: &str,
    place: Place,
    before: i64,
) -> rusqlite::Result<bool> {
    connection.prepare_cached(query)?.exists(params![place.id, before])
}

fn digests(
    connection: &Connection,
    query: &str,
    place: Place,
    before: i64,
) -> rusqlite::Result<Vec<Digest>> {
    connection
        .prepare_cached(query)?
        .query_map(params![place.id, before], |row| table::digest(row, 0))?
        .collect()
}
