//! What of many blobs a repository has, and which repositories have one, without a look at them.

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, params};

use super::{
    Store, StoreError,
    table::{self, Kind},
};
use crate::{
    digest::Digest,
    name::{Host, RepositoryName},
    repository::Repository,
};

impl Store {
    /// Of those that it links. Nobody uses them by that: a collection may take them.
    pub async fn sizes(
        &self,
        repository: &Repository,
        digests: Vec<Digest>,
    ) -> Result<HashMap<Digest, u64>, StoreError> {
        let repository = repository.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let Some(place) = table::place(connection, &repository)? else {
                    return Ok(HashMap::new());
                };
                let mut size = connection.prepare_cached(
                    "SELECT size FROM links WHERE repository = ?1 AND kind = ?2 AND digest = ?3",
                )?;
                let mut sizes = HashMap::new();
                for digest in &digests {
                    let values = params![place.id, Kind::Blob as i64, digest.bytes()];
                    let found = size.query_row(values, |row| row.get(0)).optional()?;
                    sizes.extend(found.map(|size| (*digest, table::unsigned(size))));
                }
                Ok(sizes)
            })
        })
        .await
    }

    /// Repositories of a registry that are known to have a blob, by their names.
    pub async fn mirrored_in(
        &self,
        host: &Host,
        digest: Digest,
        limit: usize,
    ) -> Result<Vec<RepositoryName>, StoreError> {
        let host = host.clone();
        self.run(move |inner| {
            inner.readers.read(|connection| {
                let mut repositories = connection.prepare_cached(
                    "SELECT name FROM links JOIN repositories ON repositories.id = repository \
                     WHERE digest = ?1 AND kind = ?2 AND repositories.account = ?3 AND host = ?4 \
                     ORDER BY name LIMIT ?5",
                )?;
                let values = params![
                    digest.bytes(),
                    Kind::Blob as i64,
                    table::MIRRORS,
                    host.as_str(),
                    table::signed(limit as u64)
                ];
                let names = repositories.query_map(values, |row| row.get::<_, String>(0))?;
                let names = names.collect::<Result<Vec<_>, _>>()?;
                Ok(names.into_iter().filter_map(|name| name.parse().ok()).collect())
            })
        })
        .await
    }
}
