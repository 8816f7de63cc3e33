//! When content was last asked for. Kept in memory and written down now and then: a hit writes
//! nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use rusqlite::{Connection, params};

use super::{StoreError, inner::now};
use crate::digest::Digest;

/// Then they are written down: each takes some fifty bytes.
const MOST: usize = 100_000;

#[derive(Debug, Default)]
pub(super) struct Touched(Mutex<HashMap<Digest, i64>>);

impl Touched {
    pub(super) fn touch(&self, digest: Digest) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, now());
    }

    pub(super) fn are_many(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len() >= MOST
    }

    /// A commit that fails loses them: what they say is how old something is, at most.
    pub(super) fn write_down(&self, connection: &Connection) -> Result<(), StoreError> {
        let touched = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (digest, at) in touched {
            for statement in [
                "UPDATE blobs SET used = ?2 WHERE digest = ?1",
                "UPDATE manifests SET used = ?2 WHERE digest = ?1",
            ] {
                connection.prepare_cached(statement)?.execute(params![digest.bytes(), at])?;
            }
        }
        Ok(())
    }
}
