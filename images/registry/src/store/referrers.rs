//! What is about a manifest, page by page: anybody may push any number of them, with annotations.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    table::{self, Place},
};
use crate::{digest::Digest, repository::Repository};

/// Of one manifest. More are not listed: they stand in the manifest.
pub(super) const MAX_ANNOTATIONS_BYTES: usize = 64 << 10;
/// Of a page, whatever is asked for.
const MAX_PAGE_BYTES: usize = 4 << 20;
/// The digest, the size and the names of all that a descriptor has.
const DESCRIPTOR_BYTES: usize = 256;

/// Of the referrers list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    pub digest: Digest,
    pub media_type: String,
    pub size: u64,
    pub artifact_type: Option<String>,
    pub annotations: BTreeMap<String, String>,
}

/// Which of them are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersWanted {
    /// From behind this one.
    pub after: Option<Digest>,
    pub artifact_type: Option<String>,
    pub limit: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrers {
    /// In the order of their digests.
    pub page: Vec<Referrer>,
    /// Behind the page's last.
    pub has_more: bool,
}

impl Store {
    /// Manifests of the repository whose subject this is.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: Digest,
        wanted: ReferrersWanted,
    ) -> Result<Referrers, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let mut found = Referrers { page: Vec::new(), has_more: false };
                let Some(place) = table::place(connection, &repository)? else { return Ok(found) };
                let digests = digests(connection, place, subject, &wanted)?;
                let mut left = MAX_PAGE_BYTES;
                for digest in digests {
                    let (referrer, bytes) = referrer(connection, place, digest)?;
                    if found.page.len() == wanted.limit || bytes > left {
                        found.has_more = true;
                        break;
                    }
                    left -= bytes;
                    found.page.push(referrer);
                }
                Ok(found)
            })
        })
        .await
    }
}

/// One more than is asked for, to know that there is more.
fn digests(
    connection: &Connection,
    place: Place,
    subject: Digest,
    wanted: &ReferrersWanted,
) -> rusqlite::Result<Vec<Digest>> {
    let ReferrersWanted { after, artifact_type, limit } = wanted;
    let after = after.map_or(Vec::new(), |after| after.bytes().to_vec());
    let limit = table::signed(*limit as u64).saturating_add(1);
    connection
        .prepare_cached(
            "SELECT links.digest FROM manifests JOIN links ON links.digest = manifests.digest \
             WHERE subject = ?1 AND links.kind = 1 AND links.repository = ?2 \
             AND links.digest > ?3 AND (?4 IS NULL OR artifact_type = ?4) \
             ORDER BY links.digest LIMIT ?5",
        )?
        .query_map(params![subject.bytes(), place.id, after, artifact_type, limit], |row| {
            table::digest(row, 0)
        })?
        .collect()
}

/// And how much of a page it takes.
fn referrer(
    connection: &Connection,
    place: Place,
    digest: Digest,
) -> rusqlite::Result<(Referrer, usize)> {
    // Annotations of before there was a limit stay where they are.
    let mut row = connection.prepare_cached(
        "SELECT media_type, size, artifact_type, \
         CASE WHEN length(CAST(annotations AS BLOB)) <= ?3 THEN annotations ELSE '{}' END \
         FROM manifests JOIN links ON links.digest = manifests.digest \
         WHERE links.repository = ?1 AND links.kind = 1 AND links.digest = ?2",
    )?;
    let most = table::signed(MAX_ANNOTATIONS_BYTES as u64);
    row.query_row(params![place.id, digest.bytes(), most], |row| {
        let annotations: String = row.get(3)?;
        let referrer = Referrer {
            digest,
            media_type: row.get(0)?,
            size: table::unsigned(row.get(1)?),
            artifact_type: row.get(2)?,
            annotations: serde_json::from_str(&annotations).unwrap_or_default(),
        };
        let types =
            referrer.media_type.len() + referrer.artifact_type.as_ref().map_or(0, String::len);
        Ok((referrer, DESCRIPTOR_BYTES + types + annotations.len()))
    })
}
