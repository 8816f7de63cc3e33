//! Manifests: small, and asked for by name first, so their bytes stand in the database.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::{
    Described, Role, Store, StoreError,
    inner::{self, now},
    referrers::MAX_ANNOTATIONS_BYTES,
    room,
    table::{self, Kind, Link, Place},
};
use crate::{
    digest::Digest,
    name::{Tag, Target},
    repository::{Repository, Space},
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
    /// When the tag was last put, and so last known to mean this. None: it was asked for by digest.
    pub confirmed_at: Option<SystemTime>,
}

impl Store {
    /// Of a tenant's own repository, what it refers to must be there. Of a mirror's it need not:
    /// it comes when it is asked for. The tag means it from now on.
    pub async fn put_manifest(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        manifest: impl Into<Described>,
        bytes: Bytes,
    ) -> Result<(), StoreError> {
        let (repository, tag, manifest) = (repository.clone(), tag.cloned(), manifest.into());
        self.run(move |inner| {
            let digest = Digest::of(&bytes);
            if matches!(repository.space, Space::Mirror { .. }) {
                room::admit(inner, bytes.len() as u64)?;
            }
            let shared = Arc::clone(inner);
            inner.writer.write(move |connection| {
                shared.within(connection, &repository.space, || {
                    put(connection, &repository, tag.as_ref(), digest, &manifest, &bytes)
                })
            })
        })
        .await
    }

    pub async fn manifest(
        &self,
        repository: &Repository,
        target: &Target,
    ) -> Result<Option<StoredManifest>, StoreError> {
        let (repository, target) = (repository.clone(), target.clone());
        self.run(move |inner| {
            let _look = inner.looks.read().unwrap_or_else(PoisonError::into_inner);
            let found = inner.readers.read(|connection| {
                Ok(match table::place(connection, &repository)? {
                    Some(place) => find(connection, place, &target)?,
                    None => None,
                })
            })?;
            if let Some(found) = &found {
                inner.touched.touch(found.digest);
            }
            Ok(found)
        })
        .await
    }

    /// With the tags that mean it. False: the repository has no such manifest.
    pub async fn delete_manifest(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<bool, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(false) };
                remove(connection, place, digest)
            })
        })
        .await
    }
}

pub(super) fn put(
    connection: &Connection,
    repository: &Repository,
    tag: Option<&Tag>,
    digest: Digest,
    manifest: &Described,
    bytes: &Bytes,
) -> Result<(), StoreError> {
    let place = table::make_place(connection, repository)?;
    if !matches!(repository.space, Space::Mirror { .. }) {
        let missing = missing(connection, place, manifest)?;
        if !missing.is_empty() {
            return Err(StoreError::Missing(missing));
        }
    }
    let now = now();
    let size = bytes.len() as u64;
    insert(connection, digest, manifest, bytes, now)?;
    let media_type = Some(manifest.media_type.as_str());
    let link = Link { kind: Kind::Manifest, digest, size, media_type };
    table::link(connection, place, &link, now)?;
    if let Some(tag) = tag {
        connection
            .prepare_cached(
                "INSERT INTO tags (repository, name, digest, at) VALUES (?1, ?2, ?3, ?4) \
                 ON CONFLICT DO UPDATE SET digest = excluded.digest, at = excluded.at",
            )?
            .execute(params![place.id, tag.as_str(), digest.bytes(), now])?;
    }
    Ok(())
}

/// What it refers to and the repository does not link, each once.
fn missing(
    connection: &Connection,
    place: Place,
    manifest: &Described,
) -> rusqlite::Result<Vec<Digest>> {
    let mut missing = Vec::new();
    for reference in &manifest.references {
        let is = |kind| table::is_linked(connection, place, kind, &reference.digest);
        let is_there = match reference.role {
            Role::Blob => is(Kind::Blob)?,
            Role::Manifest => is(Kind::Manifest)?,
            Role::Either => is(Kind::Blob)? || is(Kind::Manifest)?,
            Role::Optional => true,
        };
        if !is_there && !missing.contains(&reference.digest) {
            missing.push(reference.digest);
        }
    }
    Ok(missing)
}

/// Whichever repositories link it: the same bytes say the same.
fn insert(
    connection: &Connection,
    digest: Digest,
    manifest: &Described,
    bytes: &Bytes,
    now: i64,
) -> rusqlite::Result<()> {
    let mut annotations = serde_json::to_string(&manifest.annotations).unwrap_or_default();
    if annotations.len() > MAX_ANNOTATIONS_BYTES {
        "{}".clone_into(&mut annotations);
    }
    let new = connection
        .prepare_cached(
            "INSERT INTO manifests (digest, bytes, subject, artifact_type, annotations, used) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            digest.bytes(),
            &bytes[..],
            manifest.subject.as_ref().map(Digest::bytes),
            manifest.artifact_type,
            annotations,
            now
        ])?;
    if new == 0 {
        return Ok(());
    }
    let mut edge = connection.prepare_cached(
        "INSERT INTO edges (parent, kind, child) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
    )?;
    for reference in &manifest.references {
        let kinds: &[Kind] = match reference.role {
            Role::Blob | Role::Optional => &[Kind::Blob],
            Role::Manifest => &[Kind::Manifest],
            Role::Either => &[Kind::Blob, Kind::Manifest],
        };
        for kind in kinds {
            edge.execute(params![digest.bytes(), *kind as i64, reference.digest.bytes()])?;
        }
    }
    Ok(())
}

fn find(
    connection: &Connection,
    place: Place,
    target: &Target,
) -> rusqlite::Result<Option<StoredManifest>> {
    let (digest, confirmed_at) = match target {
        Target::Digest(digest) => (*digest, None),
        Target::Tag(tag) => {
            let tagged = connection
                .prepare_cached("SELECT digest, at FROM tags WHERE repository = ?1 AND name = ?2")?
                .query_row(params![place.id, tag.as_str()], |row| {
                    Ok((table::digest(row, 0)?, row.get(1)?))
                })
                .optional()?;
            let Some((digest, at)) = tagged else { return Ok(None) };
            (digest, Some(inner::time(at)))
        }
    };
    connection
        .prepare_cached(
            "SELECT links.media_type, manifests.bytes FROM links \
             JOIN manifests ON manifests.digest = links.digest \
             WHERE links.repository = ?1 AND links.kind = 1 AND links.digest = ?2",
        )?
        .query_row(params![place.id, digest.bytes()], |row| {
            let bytes: Vec<u8> = row.get(1)?;
            Ok(StoredManifest {
                digest,
                media_type: row.get(0)?,
                bytes: bytes.into(),
                confirmed_at,
            })
        })
        .optional()
}

/// What no repository links any more goes with the next collection.
pub(super) fn remove(
    connection: &Connection,
    place: Place,
    digest: Digest,
) -> Result<bool, StoreError> {
    connection
        .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND digest = ?2")?
        .execute(params![place.id, digest.bytes()])?;
    Ok(table::unlink(connection, place, Kind::Manifest, &digest)?)
}
