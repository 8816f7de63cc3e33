//! What no tag leads to, for whoever looks for it or wants it gone now.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    inner::now,
    table::{self, Kind, Place},
};
use crate::{digest::Digest, repository::Repository};

/// Over indexes, and to what refers to them.
const REACHED: &str = "\
    WITH RECURSIVE reached (digest) AS (
        SELECT digest FROM tags WHERE repository = ?1
        UNION
        SELECT digest FROM links WHERE repository = ?1 AND kind = 1 AND at > ?2
        UNION
        SELECT child FROM reached JOIN edges ON parent = reached.digest AND kind = 1
        UNION
        SELECT manifests.digest FROM reached JOIN manifests ON subject = reached.digest
        JOIN links ON links.repository = ?1 AND kind = 1 AND links.digest = manifests.digest
    )
    SELECT digest FROM links
    WHERE repository = ?1 AND kind = 1 AND digest NOT IN (SELECT digest FROM reached)";

impl Store {
    /// Manifests that are reached neither by a tag nor by another manifest, in the order of their
    /// digests, from behind `after`.
    pub async fn untagged(
        &self,
        repository: &Repository,
        after: Option<Digest>,
        limit: usize,
    ) -> Result<Vec<Digest>, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(place) = table::place(connection, &repository)? else {
                    return Ok(Vec::new());
                };
                let query = format!(
                    "{REACHED} AND digest > ?3 AND NOT EXISTS (
                        SELECT 1 FROM edges JOIN links AS parents
                        ON parents.repository = ?1 AND parents.kind = 1 AND parents.digest = parent
                        WHERE child = links.digest AND edges.kind = 1
                    ) ORDER BY digest LIMIT ?4"
                );
                let after = after.map_or(Vec::new(), |after| after.bytes().to_vec());
                let values = params![place.id, i64::MAX, after, table::signed(limit as u64)];
                let mut untagged = connection.prepare_cached(&query)?;
                let found = untagged.query_map(values, |row| table::digest(row, 0))?;
                Ok(found.collect::<Result<_, _>>()?)
            })
        })
        .await
    }

    /// Unlinks those that were put longer ago, with the blobs that were theirs alone, and says how
    /// many they were. The next collection takes what no other repository has.
    pub async fn drop_untagged(
        &self,
        repository: &Repository,
        age: Duration,
    ) -> Result<u64, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            // As a collection does: who was told that a blob is there finds it there.
            let _looks = inner.looks.write().unwrap_or_else(PoisonError::into_inner);
            let shared = Arc::clone(inner);
            inner.writer.write(move |connection| {
                shared.touched.write_down(connection)?;
                let Some(place) = table::place(connection, &repository)? else { return Ok(0) };
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                let before = now().saturating_sub(age);
                let dropped = digests(connection, REACHED, params![place.id, before])?;
                for digest in &dropped {
                    table::unlink(connection, place, Kind::Manifest, digest)?;
                }
                for digest in &dropped {
                    drop_blobs(connection, place, *digest, before)?;
                }
                Ok(dropped.len() as u64)
            })
        })
        .await
    }

    /// All of it, tags included: of a mirror's, what is asked for again is brought again.
    pub async fn drop_repository(&self, repository: &Repository) -> Result<u64, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            let _looks = inner.looks.write().unwrap_or_else(PoisonError::into_inner);
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(0) };
                connection.execute("DELETE FROM tags WHERE repository = ?1", [place.id])?;
                let mut count = 0;
                for kind in [Kind::Manifest, Kind::Blob] {
                    let all = "SELECT digest FROM links WHERE repository = ?1 AND kind = ?2";
                    for digest in digests(connection, all, params![place.id, kind as i64])? {
                        table::unlink(connection, place, kind, &digest)?;
                        count += u64::from(matches!(kind, Kind::Manifest));
                    }
                }
                Ok(count)
            })
        })
        .await
    }
}

/// A manifest's that was unlinked, unless another one needs them or somebody has just looked.
fn drop_blobs(
    connection: &Connection,
    place: Place,
    parent: Digest,
    before: i64,
) -> rusqlite::Result<()> {
    let own = "\
        SELECT child FROM edges WHERE parent = ?2 AND edges.kind = 0
        AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = child AND used > ?3)
        AND NOT EXISTS (
            SELECT 1 FROM edges AS others JOIN links
            ON links.repository = ?1 AND links.kind = 1 AND links.digest = others.parent
            WHERE others.child = edges.child AND others.kind = 0
        )";
    for blob in digests(connection, own, params![place.id, parent.bytes(), before])? {
        table::unlink(connection, place, Kind::Blob, &blob)?;
    }
    Ok(())
}

fn digests(
    connection: &Connection,
    query: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<Digest>> {
    connection.prepare_cached(query)?.query_map(values, |row| table::digest(row, 0))?.collect()
}
