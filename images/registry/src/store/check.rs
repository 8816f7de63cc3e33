//! Whether all that the store says is so: on demand, since all of it is read.

use std::{fs, sync::Arc};

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    inner::Inner,
    table::{self, MIRRORS},
    verify::{self, Found},
};
use crate::digest::Digest;

/// Blobs of one look at the rows.
const PAGE: usize = 1000;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub blobs: u64,
    pub bytes: u64,
    /// Were not what their names say, or not there, and are dropped: they can be pushed or brought
    /// again.
    pub dropped: Vec<Digest>,
    /// What does not fit together, in words. Empty unless the database was changed by another hand.
    pub problems: Vec<String>,
}

/// Each finds nothing in a store that is well, and tells what it has found in one column.
const RULES: [(&str, &str); 7] = [
    (
        "a repository links a blob that has no row",
        "SELECT hex(digest) FROM links WHERE kind = 0 \
         AND NOT EXISTS (SELECT 1 FROM blobs WHERE blobs.digest = links.digest)",
    ),
    (
        "a repository links a manifest that is not stored",
        "SELECT hex(digest) FROM links WHERE kind = 1 \
         AND NOT EXISTS (SELECT 1 FROM manifests WHERE manifests.digest = links.digest)",
    ),
    (
        "a tag means a manifest that its repository does not link",
        "SELECT tags.name FROM tags WHERE NOT EXISTS (SELECT 1 FROM links \
         WHERE links.repository = tags.repository AND kind = 1 AND links.digest = tags.digest)",
    ),
    (
        "a link counts for another account than its repository",
        "SELECT hex(digest) FROM links JOIN repositories ON repositories.id = repository \
         WHERE links.account != repositories.account",
    ),
    (
        "an account counts other bytes than it links",
        "SELECT id FROM accounts WHERE bytes != (SELECT coalesce(sum(size), 0) FROM \
         (SELECT DISTINCT kind, digest, size FROM links WHERE account = accounts.id))",
    ),
    (
        "an account is charged for other rows than it has",
        "SELECT id FROM accounts WHERE rows_bytes != CASE id WHEN 0 THEN 0 ELSE \
         (SELECT coalesce(sum(charges.bytes), 0) FROM charges WHERE account = accounts.id) END",
    ),
    (
        "a blob has another size than its link",
        "SELECT hex(links.digest) FROM links JOIN blobs ON blobs.digest = links.digest \
         WHERE kind = 0 AND links.size != blobs.size",
    ),
];

/// Of tenants' own: what is tagged must be whole. What a tenant took away by hand is its own matter,
/// so this is told apart.
const INCOMPLETE: &str = "\
    SELECT hex(links.digest) FROM links
    JOIN tags ON tags.repository = links.repository AND tags.digest = links.digest
    JOIN edges ON edges.parent = links.digest
    WHERE links.kind = 1 AND links.account != ?1 AND NOT EXISTS (
        SELECT 1 FROM links AS children
        WHERE children.repository = links.repository AND children.digest = edges.child
    )";

impl Store {
    /// Reads the blob. False: it is not there, or was not what its name says and is dropped.
    pub async fn verify(&self, digest: Digest) -> Result<bool, StoreError> {
        self.run(move |inner| Ok(verify::verify_again(inner, digest)? == Found::Well)).await
    }

    /// Looks at all of it; with `reading` at each byte.
    pub async fn check(&self, reading: bool) -> Result<Checked, StoreError> {
        self.run(move |inner| {
            let mut checked = Checked::default();
            let mut after = None;
            loop {
                let page = page(inner, after)?;
                let Some((last, _)) = page.last() else { break };
                after = Some(*last);
                for (digest, size) in page {
                    checked.blob(inner, digest, size, reading)?;
                }
            }
            checked.problems = inner.readers.read(|connection| Ok(problems(connection)?))?;
            Ok(checked)
        })
        .await
    }

    /// Tagged manifests of tenants that name what their repository no longer has: because it was
    /// deleted by name.
    pub async fn incomplete(&self) -> Result<Vec<String>, StoreError> {
        self.run(|inner| {
            inner.readers.read(|connection| {
                let mut incomplete = connection.prepare_cached(INCOMPLETE)?;
                let incomplete = incomplete.query_map(params![MIRRORS], |row| row.get(0))?;
                Ok(incomplete.collect::<Result<_, _>>()?)
            })
        })
        .await
    }
}

impl Checked {
    fn blob(
        &mut self,
        inner: &Arc<Inner>,
        digest: Digest,
        size: u64,
        reading: bool,
    ) -> Result<(), StoreError> {
        let metadata = fs::metadata(inner.files.blob(&digest));
        let is_there = metadata.is_ok_and(|metadata| metadata.len() == size);
        let found =
            if is_there && !reading { Found::Well } else { verify::verify_again(inner, digest)? };
        match found {
            Found::Well => {
                self.blobs += 1;
                self.bytes += size;
            }
            Found::Dropped => self.dropped.push(digest),
            // Collected meanwhile.
            Found::Absent => {}
        }
        Ok(())
    }
}

fn page(inner: &Inner, after: Option<Digest>) -> Result<Vec<(Digest, u64)>, StoreError> {
    inner.readers.read(|connection| {
        let mut blobs = connection.prepare_cached(
            "SELECT digest, size FROM blobs WHERE digest > ?1 ORDER BY digest LIMIT ?2",
        )?;
        let after = after.map(|after| *after.bytes());
        let after = after.as_ref().map_or(&[][..], |after| &after[..]);
        let blobs = blobs.query_map(params![after, table::signed(PAGE as u64)], |row| {
            Ok((table::digest(row, 0)?, table::unsigned(row.get(1)?)))
        })?;
        Ok(blobs.collect::<Result<_, _>>()?)
    })
}

fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    const MOST: usize = 20;
    let mut problems = Vec::new();
    for (problem, query) in RULES {
        let mut found = connection.prepare(query)?;
        let mut rows = found.query([])?;
        while let Some(row) = rows.next()? {
            let what = row.get::<_, rusqlite::types::Value>(0)?;
            if problems.len() < MOST {
                problems.push(format!("{problem}: {what:?}"));
            }
        }
    }
    Ok(problems)
}
