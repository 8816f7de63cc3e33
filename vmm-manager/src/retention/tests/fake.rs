//! An archive in memory that can be told to die, or to fail once, at any step.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
    time::SystemTime,
};

use async_trait::async_trait;

use crate::{
    job::JobId,
    retention::{Archive, ArchiveError, EndedJob},
};

#[derive(Debug)]
pub(super) struct FakeArchive(Mutex<State>);

#[derive(Debug)]
struct State {
    records: BTreeMap<JobId, EndedJob>,
    directories: BTreeSet<JobId>,
    outputs: BTreeSet<JobId>,
    /// Since after it was listed.
    read: Option<JobId>,
    /// Changes that are still made before it dies.
    life: Option<usize>,
    /// Changes that are still made before one fails.
    luck: Option<usize>,
}

impl FakeArchive {
    pub(super) fn new(jobs: Vec<EndedJob>) -> Self {
        let ids: BTreeSet<_> = jobs.iter().map(|job| job.id.clone()).collect();
        let records = jobs.into_iter().map(|job| (job.id.clone(), job)).collect();
        Self(Mutex::new(State {
            records,
            directories: ids.clone(),
            outputs: ids,
            read: None,
            life: None,
            luck: None,
        }))
    }

    pub(super) fn dies_after(&self, changes: usize) {
        self.state().life = Some(changes);
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state().life == Some(0)
    }

    pub(super) fn revives(&self) {
        self.state().life = None;
    }

    pub(super) fn fails_once_at(&self, change: usize) {
        self.state().luck = Some(change);
    }

    pub(super) fn loses_outputs_of_newest(&self) {
        let mut state = self.state();
        let newest = state.records.values().max_by_key(|job| job.ended_at).unwrap().id.clone();
        state.outputs.remove(&newest);
    }

    /// A reader comes to the oldest job, or all have gone.
    pub(super) fn is_read_at_its_oldest(&self, is_read: bool) {
        let mut state = self.state();
        let oldest =
            state.records.values().min_by_key(|job| job.ended_at).map(|job| job.id.clone());
        state.read = oldest.filter(|_| is_read);
    }

    pub(super) fn directories_left(&self) -> usize {
        self.state().directories.len()
    }

    pub(super) fn recorded_ages(&self, now: SystemTime) -> Vec<u64> {
        ages(self.state().records.values(), now)
    }

    pub(super) fn promised_ages(&self, now: SystemTime) -> Vec<u64> {
        ages(self.state().records.values().filter(|job| job.output_bytes.is_some()), now)
    }

    /// No record speaks of what is gone.
    pub(super) fn check_no_broken_promise(&self) {
        let state = self.state();
        for job in state.records.values() {
            assert!(state.directories.contains(&job.id), "a log is gone");
            assert!(job.output_bytes.is_none() || state.outputs.contains(&job.id));
        }
    }

    /// And nothing is there that no record speaks of.
    pub(super) fn check_consistent(&self) {
        self.check_no_broken_promise();
        let state = self.state();
        assert!(state.directories.iter().all(|id| state.records.contains_key(id)));
        let promised = |id| state.records.get(id).is_some_and(|job| job.output_bytes.is_some());
        assert!(state.outputs.iter().all(promised));
    }

    fn change(&self) -> Result<MutexGuard<'_, State>, ArchiveError> {
        let mut state = self.state();
        if state.luck == Some(0) {
            state.luck = None;
            return Err(failure());
        }
        state.luck = state.luck.map(|luck| luck - 1);
        match state.life {
            Some(0) => return Err(failure()),
            Some(life) => state.life = Some(life - 1),
            None => {}
        }
        Ok(state)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

fn ages<'a>(jobs: impl Iterator<Item = &'a EndedJob>, now: SystemTime) -> Vec<u64> {
    let mut ages: Vec<_> =
        jobs.map(|job| now.duration_since(job.ended_at).unwrap().as_secs()).collect();
    ages.sort_unstable();
    ages
}

fn failure() -> ArchiveError {
    ArchiveError { what: "a change", source: "the fake was told to fail".into() }
}

#[async_trait]
impl Archive for FakeArchive {
    async fn ended(&self) -> Result<Vec<EndedJob>, ArchiveError> {
        Ok(self.state().records.values().cloned().collect())
    }

    async fn directories(&self) -> Result<BTreeSet<JobId>, ArchiveError> {
        Ok(self.state().directories.clone())
    }

    async fn has_record(&self, job: &JobId) -> Result<bool, ArchiveError> {
        Ok(self.state().records.contains_key(job))
    }

    async fn has_outputs(&self, job: &JobId) -> Result<bool, ArchiveError> {
        Ok(self.state().outputs.contains(job))
    }

    fn is_read(&self, job: &JobId) -> bool {
        self.state().read.as_ref() == Some(job)
    }

    async fn expire(&self, job: &JobId) -> Result<(), ArchiveError> {
        let mut state = self.change()?;
        state.records.get_mut(job).ok_or_else(failure)?.output_bytes = None;
        Ok(())
    }

    async fn remove_outputs(&self, job: &JobId) -> Result<(), ArchiveError> {
        self.change()?.outputs.remove(job);
        Ok(())
    }

    async fn forget(&self, job: &JobId) -> Result<(), ArchiveError> {
        self.change()?.records.remove(job).map(drop).ok_or_else(failure)
    }

    async fn remove_directory(&self, job: &JobId) -> Result<(), ArchiveError> {
        let mut state = self.change()?;
        state.directories.remove(job);
        state.outputs.remove(job);
        Ok(())
    }
}
