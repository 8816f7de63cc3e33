//! Tags, and what can be listed.

use rusqlite::params;

use super::{Store, StoreError, table};
use crate::{
    build::Maker,
    name::{RepositoryName, Tag},
    repository::{Repository, Space},
};

impl Store {
    /// The manifest stays until the next collection, and longer where something else needs it.
    pub async fn delete_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool, StoreError> {
        let (repository, tag) = (repository.clone(), tag.clone());
        self.run(move |inner| {
            inner.writer.write(move |connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(false) };
                let deleted = connection
                    .prepare_cached("DELETE FROM tags WHERE repository = ?1 AND name = ?2")?
                    .execute(params![place.id, tag.as_str()])?;
                Ok(deleted > 0)
            })
        })
        .await
    }

    /// In the order of their bytes, from behind `after`.
    pub async fn tags(
        &self,
        repository: &Repository,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Tag>, StoreError> {
        let (repository, after) = (repository.clone(), after.unwrap_or_default().to_owned());
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(place) = table::place(connection, &repository)? else {
                    return Ok(Vec::new());
                };
                let mut tags = connection.prepare_cached(
                    "SELECT name FROM tags WHERE repository = ?1 AND name > ?2 \
                     ORDER BY name LIMIT ?3",
                )?;
                let names = tags
                    .query_map(params![place.id, after, table::signed(limit as u64)], |row| {
                        row.get::<_, String>(0)
                    })?;
                let names = names.collect::<Result<Vec<_>, _>>()?;
                Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
            })
        })
        .await
    }

    /// Those of a space that have content, in the order of their names, from behind `after`.
    pub async fn repositories(
        &self,
        space: &Space,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let (tenant, host) = match space {
            Space::Local { tenant } => (Some(tenant.clone()), String::new()),
            Space::Build { tenant } => (Some(tenant.clone()), table::BUILD.to_owned()),
            Space::Mirror { host } => (None, host.to_string()),
        };
        let after = (host.clone(), after.unwrap_or_default().to_owned());
        let found = self.list(tenant, Some(host), after, limit).await?;
        Ok(found.into_iter().map(|repository| repository.name).collect())
    }

    /// Of one build.
    pub(crate) async fn repositories_of(
        &self,
        maker: &Maker,
    ) -> Result<Vec<Repository>, StoreError> {
        let images = maker.images();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(account) = table::account(connection, &images.space)? else {
                    return Ok(Vec::new());
                };
                let mut all = connection.prepare_cached(
                    "SELECT tenant, host, name FROM repositories \
                     JOIN accounts ON accounts.id = repositories.account \
                     WHERE account = ?1 AND host = ?2 AND (name = ?3 OR name GLOB ?3 || '/*')",
                )?;
                let mut rows = all.query(params![account, table::BUILD, images.name.as_str()])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(table::repository(row)?);
                }
                Ok(found)
            })
        })
        .await
    }

    /// Those of all registries outside, by registry and name.
    pub async fn mirrored(
        &self,
        after: Option<&Repository>,
        limit: usize,
    ) -> Result<Vec<Repository>, StoreError> {
        let after = match after {
            Some(Repository { space: Space::Mirror { host }, name }) => {
                (host.to_string(), name.to_string())
            }
            _ => Default::default(),
        };
        self.list(None, None, after, limit).await
    }

    async fn list(
        &self,
        tenant: Option<String>,
        host: Option<String>,
        after: (String, String),
        limit: usize,
    ) -> Result<Vec<Repository>, StoreError> {
        let limit = table::signed(limit as u64);
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let mut all = connection.prepare_cached(
                    "SELECT tenant, host, name FROM repositories \
                     JOIN accounts ON accounts.id = repositories.account \
                     WHERE tenant IS ?1 AND (?2 IS NULL OR host = ?2) AND (host, name) > (?3, ?4) \
                     AND EXISTS (SELECT 1 FROM links WHERE repository = repositories.id) \
                     ORDER BY host, name LIMIT ?5",
                )?;
                let mut rows = all.query(params![tenant, host, after.0, after.1, limit])?;
                let mut found = Vec::new();
                while let Some(row) = rows.next()? {
                    found.push(table::repository(row)?);
                }
                Ok(found)
            })
        })
        .await
    }

    /// Whether it has content.
    pub async fn is_known(&self, repository: &Repository) -> Result<bool, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(place) = table::place(connection, &repository)? else { return Ok(false) };
                let known = connection
                    .prepare_cached("SELECT 1 FROM links WHERE repository = ?1 LIMIT 1")?
                    .exists([place.id])?;
                Ok(known)
            })
        })
        .await
    }
}
