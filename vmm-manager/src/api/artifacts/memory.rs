//! Digests of tars that are nowhere: each costs a reading of all of it, so they are kept for a while.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use kiln_registry::{digest::Digest, operate::Plan};

use super::turns::Turns;
use crate::job::JobId;

const MOST: usize = 4096;

type Key = (JobId, String);

#[derive(Debug, Default)]
pub(super) struct Digests {
    known: Mutex<HashMap<Key, Digest>>,
    turns: Turns,
}

impl Digests {
    /// The same artifact has the same bytes each time.
    pub(super) async fn of(
        &self,
        tenant: &str,
        job: &JobId,
        name: &str,
        plan: &Plan,
    ) -> io::Result<Digest> {
        let key = (job.clone(), name.to_owned());
        if let Some(digest) = self.known(&key) {
            return Ok(digest);
        }
        let turn = self.turns.take(tenant).await;
        let _turn = turn.ok_or_else(|| io::Error::other("nothing is read any more"))?;
        // Whoever was here before may have asked for the same.
        if let Some(digest) = self.known(&key) {
            return Ok(digest);
        }
        let digest = plan.digest().await?;
        let mut all = self.all();
        if all.len() >= MOST {
            all.clear();
        }
        all.insert(key, digest);
        Ok(digest)
    }

    fn known(&self, key: &Key) -> Option<Digest> {
        self.all().get(key).copied()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Key, Digest>> {
        // Each change is one insert: a panic elsewhere leaves it whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
