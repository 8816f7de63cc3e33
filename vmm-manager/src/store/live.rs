//! The jobs that are in memory: those that have not ended, or that still hold something.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::JobHandle;
use crate::job::JobId;

#[derive(Debug, Default)]
pub(super) struct Live {
    /// Changed by the writer alone.
    jobs: Mutex<HashMap<JobId, Arc<JobHandle>>>,
}

impl Live {
    pub(super) fn insert(&self, handle: Arc<JobHandle>) {
        self.lock().insert(handle.id().clone(), handle);
    }

    pub(super) fn remove(&self, id: &JobId) {
        // Dropped behind the lock: a handle's end may be long.
        let removed = self.lock().remove(id);
        drop(removed);
    }

    pub(super) fn find(&self, id: &JobId) -> Option<Arc<JobHandle>> {
        self.lock().get(id).cloned()
    }

    pub(super) fn all(&self) -> Vec<Arc<JobHandle>> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Arc<JobHandle>>> {
        // Every change is one insert or remove: a panic elsewhere leaves the map whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
