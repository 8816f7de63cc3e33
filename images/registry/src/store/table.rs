//! Rows of repositories and of what they link, and the count of bytes that goes with them.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::StoreError;
use crate::{
    digest::Digest,
    repository::{Repository, Space},
};

/// What a row takes, as the triggers of the schema have it.
pub(super) const ROW_BYTES: u64 = 512;

/// In place of a host, of what a tenant's builds made.
pub(super) const BUILD: &str = "build";

/// Of all mirrors together.
pub(super) const MIRRORS: i64 = 0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Blob = 0,
    Manifest = 1,
}

/// A repository's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) id: i64,
    pub(super) account: i64,
}

pub(super) struct Link<'a> {
    pub(super) kind: Kind,
    pub(super) digest: Digest,
    pub(super) size: u64,
    pub(super) media_type: Option<&'a str>,
}

pub(super) fn digest(row: &Row<'_>, index: usize) -> rusqlite::Result<Digest> {
    Ok(Digest::from_bytes(row.get(index)?))
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn host(space: &Space) -> &str {
    match space {
        Space::Local { .. } => "",
        Space::Build { .. } => BUILD,
        Space::Mirror { host } => host.as_str(),
    }
}

pub(super) fn account(connection: &Connection, space: &Space) -> rusqlite::Result<Option<i64>> {
    match space {
        Space::Mirror { .. } => Ok(Some(MIRRORS)),
        Space::Local { tenant } | Space::Build { tenant } => connection
            .prepare_cached("SELECT id FROM accounts WHERE tenant = ?1")?
            .query_row([tenant], |row| row.get(0))
            .optional(),
    }
}

pub(super) fn place(
    connection: &Connection,
    repository: &Repository,
) -> rusqlite::Result<Option<Place>> {
    let Repository { space, name } = repository;
    let Some(account) = account(connection, space)? else { return Ok(None) };
    connection
        .prepare_cached(
            "SELECT id FROM repositories WHERE account = ?1 AND host = ?2 AND name = ?3",
        )?
        .query_row(params![account, host(space), name.as_str()], |row| row.get(0))
        .optional()
        .map(|id| id.map(|id| Place { id, account }))
}

pub(super) fn make_place(
    connection: &Connection,
    repository: &Repository,
) -> rusqlite::Result<Place> {
    if let Some(place) = place(connection, repository)? {
        return Ok(place);
    }
    let Repository { space, name } = repository;
    let account = match (account(connection, space)?, space) {
        (Some(account), _) => account,
        (None, Space::Mirror { .. }) => MIRRORS,
        (None, Space::Local { tenant } | Space::Build { tenant }) => {
            connection
                .prepare_cached("INSERT INTO accounts (tenant) VALUES (?1)")?
                .execute([tenant])?;
            connection.last_insert_rowid()
        }
    };
    connection
        .prepare_cached("INSERT INTO repositories (account, host, name) VALUES (?1, ?2, ?3)")?
        .execute(params![account, host(space), name.as_str()])?;
    Ok(Place { id: connection.last_insert_rowid(), account })
}

pub(super) fn is_linked(
    connection: &Connection,
    place: Place,
    kind: Kind,
    digest: &Digest,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM links WHERE repository = ?1 AND kind = ?2 AND digest = ?3")?
        .exists(params![place.id, kind as i64, digest.bytes()])
}

/// Whether the account counts these bytes already.
pub(super) fn is_counted(
    connection: &Connection,
    account: i64,
    kind: Kind,
    digest: &Digest,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM links WHERE digest = ?1 AND kind = ?2 AND account = ?3 LIMIT 1",
        )?
        .exists(params![digest.bytes(), kind as i64, account])
}

/// Puts content into a repository, or makes it young again where it is there.
pub(super) fn link(
    connection: &Connection,
    place: Place,
    link: &Link<'_>,
    now: i64,
) -> rusqlite::Result<()> {
    let Link { kind, digest, size, media_type } = link;
    let size = signed(*size);
    if !is_counted(connection, place.account, *kind, digest)? {
        count(connection, place.account, size)?;
    }
    connection
        .prepare_cached(
            "INSERT INTO links (repository, kind, digest, account, size, media_type, at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
             ON CONFLICT DO UPDATE SET media_type = excluded.media_type, at = excluded.at",
        )?
        .execute(params![
            place.id,
            *kind as i64,
            digest.bytes(),
            place.account,
            size,
            media_type,
            now
        ])?;
    Ok(())
}

/// False: it was not there.
pub(super) fn unlink(
    connection: &Connection,
    place: Place,
    kind: Kind,
    digest: &Digest,
) -> rusqlite::Result<bool> {
    let size: Option<i64> = connection
        .prepare_cached(
            "DELETE FROM links WHERE repository = ?1 AND kind = ?2 AND digest = ?3 RETURNING size",
        )?
        .query_row(params![place.id, kind as i64, digest.bytes()], |row| row.get(0))
        .optional()?;
    let Some(size) = size else { return Ok(false) };
    if !is_counted(connection, place.account, kind, digest)? {
        count(connection, place.account, -size)?;
    }
    Ok(true)
}

fn count(connection: &Connection, account: i64, more: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE accounts SET bytes = bytes + ?2 WHERE id = ?1")?
        .execute([account, more])?;
    Ok(())
}

pub(super) fn counted(connection: &Connection, account: i64) -> rusqlite::Result<u64> {
    let bytes = connection
        .prepare_cached("SELECT bytes FROM accounts WHERE id = ?1")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    Ok(unsigned(bytes.unwrap_or(0)))
}

/// With what its rows take beside the content.
pub(super) fn charged(connection: &Connection, account: i64) -> rusqlite::Result<u64> {
    let bytes = connection
        .prepare_cached("SELECT bytes + rows_bytes FROM accounts WHERE id = ?1")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    Ok(unsigned(bytes.unwrap_or(0)))
}

/// A repository as it stands in a row of account's tenant, host and name.
pub(super) fn repository(row: &Row<'_>) -> Result<Repository, StoreError> {
    let tenant: Option<String> = row.get(0)?;
    let host: String = row.get(1)?;
    let name: String = row.get(2)?;
    let invalid = |error: crate::name::InvalidName| {
        let error = rusqlite::Error::FromSqlConversionFailure(
            2,
            rusqlite::types::Type::Text,
            Box::new(error),
        );
        StoreError::Damaged(std::sync::Arc::new(error))
    };
    let space = match tenant {
        Some(tenant) if host == BUILD => Space::Build { tenant },
        Some(tenant) => Space::Local { tenant },
        None => Space::Mirror { host: host.parse().map_err(invalid)? },
    };
    Ok(Repository { space, name: name.parse().map_err(invalid)? })
}
