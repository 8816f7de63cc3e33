//! The jobs that this daemon knows, in the order in which they came.
//!
//! Each job has one publisher: whatever changes, changes there and is seen by every watcher. The
//! store keeps jobs for as long as the daemon lives, the ended ones up to a count.

mod attach;
mod cancel;
mod handle;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use self::{
    attach::{AttachError, Attachment, AttachmentEnds},
    cancel::{CancelReason, Cancellation},
    handle::JobHandle,
};
use crate::job::{Job, JobId};

#[derive(Debug)]
pub struct Store {
    jobs: Mutex<BTreeMap<JobId, Arc<JobHandle>>>,
    keep_ended: usize,
}

impl Store {
    pub fn new(keep_ended: usize) -> Self {
        Self { jobs: Mutex::new(BTreeMap::new()), keep_ended }
    }

    pub fn insert(&self, handle: Arc<JobHandle>) {
        self.lock().insert(handle.id().clone(), handle);
    }

    /// A job of this tenant; another tenant's job is no job.
    pub fn find(&self, tenant: &str, id: &JobId) -> Option<Arc<JobHandle>> {
        self.lock().get(id).filter(|handle| handle.owner().tenant == tenant).cloned()
    }

    /// The tenant's jobs, newest first, from behind `after` on.
    pub fn list(
        &self,
        tenant: &str,
        project: Option<&str>,
        after: Option<&JobId>,
        limit: usize,
    ) -> Vec<Job> {
        let jobs = self.lock();
        let older = |id: &JobId| after.is_none_or(|after| id < after);
        jobs.iter()
            .rev()
            .filter(|(id, _)| older(id))
            .map(|(_, handle)| handle)
            .filter(|handle| handle.owner().tenant == tenant)
            .filter(|handle| project.is_none_or(|project| handle.owner().project == project))
            .take(limit)
            .map(|handle| handle.snapshot())
            .collect()
    }

    pub fn all(&self) -> Vec<Arc<JobHandle>> {
        self.lock().values().cloned().collect()
    }

    /// Forgets the oldest ended jobs above the count that is kept; the caller removes their files.
    pub fn forget_surplus(&self) -> Vec<JobId> {
        let mut jobs = self.lock();
        let ended: Vec<_> = jobs
            .iter()
            .filter(|(_, handle)| handle.is_released())
            .map(|(id, _)| id.clone())
            .collect();
        let surplus = ended.len().saturating_sub(self.keep_ended);
        let forgotten = ended.into_iter().take(surplus).collect::<Vec<_>>();
        for id in &forgotten {
            jobs.remove(id);
        }
        forgotten
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Arc<JobHandle>>> {
        // Every change is one insert or remove: a panic elsewhere leaves the map whole.
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
