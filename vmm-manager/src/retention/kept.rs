//! The archive of this host: records in the store, files in each job's directory.

use std::{
    collections::BTreeSet,
    error::Error,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::{Archive, ArchiveError, EndedJob};
use crate::{
    build::publish,
    job::{Job, JobId, OutputRecord, State},
    output::Outputs,
    registry::Service,
    store::Store,
};

/// How many records are in memory at once.
const PAGE: usize = 1000;

#[derive(Clone, Debug)]
pub struct KeptJobs {
    store: Arc<Store>,
    outputs: Outputs,
    /// In which each job has a directory, with its log and its outputs.
    jobs: PathBuf,
    /// Has the images that builds left, where there is one.
    registry: Option<Arc<Service>>,
}

impl KeptJobs {
    pub fn new(store: Arc<Store>, outputs: Outputs, jobs: PathBuf) -> Self {
        Self { store, outputs, jobs, registry: None }
    }

    #[must_use]
    pub fn with_registry(self, registry: Option<Arc<Service>>) -> Self {
        Self { registry, ..self }
    }

    /// What a build left in the registry under no name of its tenant's.
    async fn forget_images(&self, job: &Job) -> Result<(), ArchiveError> {
        let (Some(registry), true) = (&self.registry, job.spec.is_build()) else { return Ok(()) };
        let forgotten = publish::forget(registry, &job.owner, &job.id).await;
        forgotten.map_err(|failure| ArchiveError {
            what: "removing the images of a build",
            source: failure.message.into(),
        })
    }

    async fn job(&self, job: &JobId) -> Result<Option<Job>, ArchiveError> {
        let found = self.store.find_any(job).await.map_err(failed("looking for a job"))?;
        Ok(found.map(|handle| handle.snapshot()))
    }

    fn ended_job(&self, job: &Job) -> Option<EndedJob> {
        let State::Ended { ended_at, .. } = job.state else { return None };
        let mut promised = job.outputs.iter().filter(|output| !output.expired).peekable();
        let has_outputs = promised.peek().is_some();
        let output_bytes = has_outputs.then(|| promised.map(|output| output.size_bytes).sum());
        let in_use = self.outputs.is_read(&job.id);
        Some(EndedJob { id: job.id.clone(), ended_at, output_bytes, in_use })
    }
}

#[async_trait]
impl Archive for KeptJobs {
    async fn ended(&self) -> Result<Vec<EndedJob>, ArchiveError> {
        let mut ended = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.ended(after, PAGE).await;
            let page = page.map_err(failed("listing ended jobs"))?;
            ended.extend(page.iter().filter_map(|job| self.ended_job(job)));
            after = match (page.last(), ended.last()) {
                (Some(_), Some(last)) if page.len() == PAGE => {
                    Some((last.ended_at, last.id.clone()))
                }
                _ => return Ok(ended),
            };
        }
    }

    async fn directories(&self) -> Result<BTreeSet<JobId>, ArchiveError> {
        let jobs = self.jobs.clone();
        blocking("listing the directories of jobs", move || directories(&jobs)).await
    }

    async fn has_record(&self, job: &JobId) -> Result<bool, ArchiveError> {
        let found = self.store.find_any(job).await.map_err(failed("looking for a job"))?;
        Ok(found.is_some())
    }

    async fn has_outputs(&self, job: &JobId) -> Result<bool, ArchiveError> {
        let Some(found) = self.job(job).await? else { return Ok(true) };
        // Images are the registry's to keep.
        let is_file = |record: &OutputRecord| !found.spec.is_image(&record.name);
        let records: Vec<_> = found.outputs.iter().filter(|one| is_file(one)).cloned().collect();
        let (outputs, job) = (self.outputs.clone(), job.clone());
        blocking("looking for outputs", move || {
            let promised = records.into_iter().filter(|record| !record.expired);
            promised
                .map(|record| is_there(&outputs, &job, &record))
                .try_fold(true, |all, one| Ok(all && one?))
        })
        .await
    }

    fn is_read(&self, job: &JobId) -> bool {
        self.outputs.is_read(job)
    }

    async fn expire(&self, job: &JobId) -> Result<(), ArchiveError> {
        let found = self.store.find_any(job).await.map_err(failed("looking for a job"))?;
        match found {
            Some(handle) => {
                handle.expire_outputs().await.map_err(failed("recording that outputs expired"))
            }
            None => Ok(()),
        }
    }

    async fn remove_outputs(&self, job: &JobId) -> Result<(), ArchiveError> {
        if let Some(found) = self.job(job).await? {
            self.forget_images(&found).await?;
        }
        let (outputs, job) = (self.outputs.clone(), job.clone());
        blocking("removing outputs", move || outputs.remove(&job)).await
    }

    async fn forget(&self, job: &JobId) -> Result<(), ArchiveError> {
        // First: nobody could say whose they are.
        if let Some(found) = self.job(job).await? {
            self.forget_images(&found).await?;
        }
        self.store.forget(job).await.map_err(failed("forgetting a job"))
    }

    async fn remove_directory(&self, job: &JobId) -> Result<(), ArchiveError> {
        let directory = self.jobs.join(job.as_str());
        blocking("removing a job's directory", move || match fs::remove_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        })
        .await
    }
}

fn is_there(outputs: &Outputs, job: &JobId, record: &OutputRecord) -> io::Result<bool> {
    match fs::symlink_metadata(outputs.path(job, &record.name)) {
        Ok(metadata) => Ok(metadata.is_file() && metadata.len() == record.size_bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// What is no job's is left alone.
fn directories(jobs: &Path) -> io::Result<BTreeSet<JobId>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(jobs)? {
        found.extend(entry?.file_name().to_str().and_then(|name| name.parse().ok()));
    }
    Ok(found)
}

async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    let done = spawn_blocking(work).await.map_err(io::Error::other);
    done.and_then(|done| done).map_err(failed(what))
}

fn failed<E: Error + Send + Sync + 'static>(what: &'static str) -> impl Fn(E) -> ArchiveError {
    move |error| ArchiveError { what, source: error.into() }
}
