//! That a registry outside let a tenant read a repository, and when it last did.

use std::time::SystemTime;

use rusqlite::{Connection, params};

use super::{
    Store, StoreError,
    inner::{self, now},
    table,
};
use crate::{digest::Digest, name::Host, repository::Repository};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Rounded down to milliseconds.
    pub at: SystemTime,
    /// It lets everybody read it: nobody had to say who they are.
    pub public: bool,
}

impl Store {
    /// What the registry last said to this tenant; of a public repository to anybody, which is to
    /// all.
    pub async fn right(
        &self,
        tenant: &str,
        repository: &Repository,
    ) -> Result<Option<Right>, StoreError> {
        let (tenant, repository) = (tenant.to_owned(), repository.clone());
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(None) };
                let (at, public) = connection
                    .prepare_cached(
                        "SELECT max(at), max(public) FROM rights \
                         WHERE repository = ?1 AND (tenant = ?2 OR public)",
                    )?
                    .query_row(params![place.id, tenant], |row| {
                        Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<bool>>(1)?))
                    })?;
                Ok(at.map(|at| Right { at: inner::time(at), public: public == Some(true) }))
            })
        })
        .await
    }

    pub async fn is_public(&self, repository: &Repository) -> Result<bool, StoreError> {
        // No tenant has this name, so what is found is everybody's.
        Ok(self.right("", repository).await?.is_some_and(|right| right.public))
    }

    /// The registry has let the tenant read it, just now. Where it was shown credentials for that,
    /// it is known to be public no more: the next one who needs none says otherwise.
    pub async fn set_right(
        &self,
        tenant: &str,
        repository: &Repository,
        is_public: bool,
    ) -> Result<(), StoreError> {
        let (tenant, repository) = (tenant.to_owned(), repository.clone());
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let place = table::make_place(connection, &repository)?;
                if !is_public {
                    end_publicity(connection, place.id)?;
                }
                connection
                    .prepare_cached(
                        "INSERT INTO rights (repository, tenant, at, public) \
                         VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE \
                         SET at = excluded.at, public = excluded.public",
                    )?
                    .execute(params![place.id, tenant, now(), is_public])?;
                Ok(())
            })
        })
        .await
    }

    /// Something of it was got with credentials: that anybody may read it, was said of what was there
    /// before.
    pub async fn end_publicity(&self, repository: &Repository) -> Result<(), StoreError> {
        // What is private already needs no commit.
        if !self.is_public(repository).await? {
            return Ok(());
        }
        let repository = repository.clone();
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(()) };
                end_publicity(connection, place.id)
            })
        })
        .await
    }

    /// The registry has refused the tenant, and with it everybody where it is not public after all.
    pub async fn forget_right(
        &self,
        tenant: &str,
        repository: &Repository,
        everyones: bool,
    ) -> Result<(), StoreError> {
        let (tenant, repository) = (tenant.to_owned(), repository.clone());
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(()) };
                connection
                    .prepare_cached(
                        "DELETE FROM rights WHERE repository = ?1 \
                         AND CASE WHEN public THEN ?3 ELSE tenant = ?2 END",
                    )?
                    .execute(params![place.id, tenant, everyones])?;
                Ok(())
            })
        })
        .await
    }

    /// Whether a blob may be linked where a registry says that it has it, without its sending it:
    /// it has sent it before, or anybody may read it.
    pub async fn is_held_for(&self, digest: Digest, host: &Host) -> Result<bool, StoreError> {
        let host = host.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let held = connection
                    .prepare_cached(
                        "SELECT 1 FROM links \
                         JOIN repositories ON repositories.id = links.repository \
                         JOIN accounts ON accounts.id = links.account \
                         WHERE links.digest = ?1 AND kind = 0 AND tenant IS NULL AND (host = ?2 \
                         OR EXISTS (SELECT 1 FROM rights \
                             WHERE rights.repository = links.repository AND public)) LIMIT 1",
                    )?
                    .exists(params![digest.bytes(), host.as_str()])?;
                Ok(held)
            })
        })
        .await
    }
}

fn end_publicity(connection: &Connection, repository: i64) -> Result<(), StoreError> {
    connection
        .prepare_cached("DELETE FROM rights WHERE repository = ?1 AND public")?
        .execute(params![repository])?;
    Ok(())
}
