//! The jobs, on the disk and in memory.
//!
//! ```text
//!  submit ──▶ durable ──▶ alive: a handle in memory ──▶ released: a row ──▶ forgotten
//!                               ▲    │ each change: durable, then seen
//!                               └────┘
//! ```
//!
//! One thread writes (`writer`); others read. A job is in memory while it has not ended or still
//! holds something of the host, so a restart costs what is alive and not what has been.
//! *Happy path*: whatever is asked for is committed together with what else waits, then published.
//! *Failure paths*: a disk that cannot be written to refuses new jobs and holds changes back until
//! it can; a database that is not ours, newer or damaged is refused as it is.

mod attach;
mod cancel;
mod change;
mod commit;
mod document;
mod error;
mod handle;
mod health;
mod lease;
mod live;
mod published;
mod reader;
mod recovery;
#[cfg(test)]
pub(crate) mod samples;
mod schema;
mod submit;
mod table;
mod writer;

use std::{
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::{oneshot, watch};

pub use self::{
    attach::{
        AttachPoint, AttachRefusal, Attached, Client, ClientEvent, ClientInput, ClientReports,
        InputError, Presence, Report,
    },
    cancel::{CancelReason, Cancellation},
    change::IllegalTransition,
    commit::{Commit, CommitError},
    error::StoreError,
    handle::JobHandle,
    health::Health,
    lease::{Lease, LeaseKind},
    recovery::{GuestSecret, Recovery},
    submit::{ForgetError, SubmitError, Submitted},
    table::Counts,
};
use self::{
    change::Record,
    live::Live,
    reader::Reader,
    writer::{Closing, Forgetting, Op, Stored, Submission, Writer},
};
use crate::job::{Job, JobId, JobSpec, Owner, PhaseTime, Step};

const FILE: &str = "kiln.db";

#[derive(Debug)]
pub struct Store {
    ops: mpsc::Sender<Op>,
    live: Arc<Live>,
    reader: Reader,
    health: watch::Receiver<Health>,
}

/// Changes that could not be written before the daemon had to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{changes} changes of jobs could not be written down")]
pub struct Unwritten {
    pub changes: usize,
}

impl Store {
    /// With the jobs that are alive, in the order in which they came. One store a directory, which
    /// is made where it is missing.
    pub fn open(directory: &Path) -> Result<(Arc<Self>, Vec<Arc<JobHandle>>), StoreError> {
        let path = directory.join(FILE);
        let boot_id = boot_id().map_err(|source| StoreError::io(Path::new(BOOT_ID), source))?;
        make_durable(directory).map_err(|source| StoreError::io(directory, source))?;
        let connection = schema::open_for_writing(&path)?;
        let records = table::alive(&connection).map_err(|error| error.at(&path))?;
        let reader = Reader::open(&path)?;
        let (ops, taken) = mpsc::channel();
        let (health_sender, health) = watch::channel(Health::Well);
        let live = Arc::new(Live::default());
        let handles: Vec<_> = records
            .into_iter()
            .map(|record| Arc::new(JobHandle::new(record, ops.clone())))
            .collect();
        for handle in &handles {
            live.insert(Arc::clone(handle));
        }
        let writer = Writer {
            path: path.clone(),
            connection,
            ops: taken,
            live: Arc::clone(&live),
            health: health_sender,
            boot_id,
        };
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::io(&path, source))?;
        Ok((Arc::new(Self { ops, live, reader, health }), handles))
    }

    /// A new job, durable when this returns; or, under the same key and with the same request, the
    /// one that there is.
    ///
    /// # Cancel safety
    /// A job may have been made by a call that was dropped.
    pub async fn submit(
        &self,
        owner: Owner,
        spec: JobSpec,
        key: Option<String>,
    ) -> Result<Submitted, SubmitError> {
        let secret = GuestSecret::draw()
            .map_err(|source| SubmitError::Randomness { source: Arc::new(source) })?;
        let job = Job::new(owner, spec);
        // It waits from the first moment on, which saves a write of its own.
        let queued = PhaseTime { step: Step::Queue, started_at: job.created_at, duration: None };
        let job = Job { idempotency_key: key, phases: vec![queued], ..job };
        let record = Record { job, recovery: Recovery::of_new(secret), order: 0 };
        let handle = self.handle(record);
        let (answer, stored) = oneshot::channel();
        let submission = Submission { handle: Arc::clone(&handle), answer };
        let closed = || SubmitError::Write(StoreError::Closed);
        self.ops.send(Op::Submit(submission)).map_err(|_| closed())?;
        Ok(match stored.await.map_err(|_| closed())?? {
            Stored::New => Submitted::New(handle),
            Stored::Live(known) => Submitted::Known(known),
            Stored::Over(record) => Submitted::Known(self.handle(*record)),
        })
    }

    /// A job of this tenant; another tenant's job is no job.
    pub async fn find(
        &self,
        tenant: &str,
        id: &JobId,
    ) -> Result<Option<Arc<JobHandle>>, StoreError> {
        let found = self.find_any(id).await?;
        Ok(found.filter(|handle| handle.owner().tenant == tenant))
    }

    /// A job, whoever's it is: for the daemon itself.
    pub async fn find_any(&self, id: &JobId) -> Result<Option<Arc<JobHandle>>, StoreError> {
        loop {
            if let Some(handle) = self.live.find(id) {
                return Ok(Some(handle));
            }
            let wanted = id.clone();
            let record = self.reader.read(move |rows| table::by_id(rows, &wanted)).await?;
            match record {
                None => return Ok(None),
                Some(record) if record.recovery.released => return Ok(Some(self.handle(record))),
                // It is alive: the writer has committed it and is about to show it, or it was
                // released behind our look at the disk.
                Some(_) => self.flush().await?,
            }
        }
    }

    /// The job that an idempotency key stands for.
    pub async fn find_by_key(
        &self,
        owner: &Owner,
        key: &str,
    ) -> Result<Option<Arc<JobHandle>>, StoreError> {
        let (owner, key) = (owner.clone(), key.to_owned());
        let record = self.reader.read(move |rows| table::by_key(rows, &owner, &key)).await?;
        match record {
            Some(record) => self.find_any(&record.job.id).await,
            None => Ok(None),
        }
    }

    /// The tenant's jobs, newest first, from behind `after` on.
    pub async fn list(
        &self,
        tenant: &str,
        project: Option<&str>,
        after: Option<&JobId>,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let (tenant, project) = (tenant.to_owned(), project.map(ToOwned::to_owned));
        let after = after.cloned();
        let page =
            move |rows: &_| table::page(rows, &tenant, project.as_deref(), after.as_ref(), limit);
        let records = self.reader.read(page).await?;
        // Those in memory know their place in the queue and their log.
        let shown = |record: Record| match self.live.find(&record.job.id) {
            Some(handle) => handle.snapshot(),
            None => record.job,
        };
        Ok(records.into_iter().map(shown).collect())
    }

    /// Released jobs, the one that ended first first, from behind `after` on: for retention.
    pub async fn ended(
        &self,
        after: Option<(SystemTime, JobId)>,
        limit: usize,
    ) -> Result<Vec<Job>, StoreError> {
        let page =
            move |rows: &_| table::over(rows, after.as_ref().map(|(time, id)| (*time, id)), limit);
        let records = self.reader.read(page).await?;
        Ok(records.into_iter().map(|record| record.job).collect())
    }

    /// Removes a released job's record for good, and with it what its idempotency key stands for.
    /// Its files are the caller's to remove. A job that is not there is forgotten.
    pub async fn forget(&self, id: &JobId) -> Result<(), ForgetError> {
        let (answer, forgotten) = oneshot::channel();
        let forgetting = Forgetting { id: id.clone(), answer };
        let closed = || ForgetError::Write(StoreError::Closed);
        self.ops.send(Op::Forget(forgetting)).map_err(|_| closed())?;
        forgotten.await.map_err(|_| closed())?
    }

    pub async fn counts(&self) -> Result<Counts, StoreError> {
        self.reader.read(table::counts).await
    }

    /// What a job holds of the host.
    pub async fn leases_of(&self, id: &JobId) -> Result<Vec<Lease>, StoreError> {
        let id = id.clone();
        self.reader.read(move |rows| lease::of_job(rows, &id)).await
    }

    /// What is held by jobs that have ended.
    pub async fn leases_of_ended_jobs(&self) -> Result<Vec<Lease>, StoreError> {
        self.reader.read(lease::of_ended_jobs).await
    }

    pub async fn leases(&self) -> Result<Vec<Lease>, StoreError> {
        self.reader.read(lease::all).await
    }

    /// Jobs in memory: not ended, or not released.
    pub fn alive(&self) -> Vec<Arc<JobHandle>> {
        self.live.all()
    }

    /// Whether a job is in memory: before its first thing is taken until after its last is given
    /// back, it is.
    pub fn is_alive(&self, id: &JobId) -> bool {
        self.live.find(id).is_some()
    }

    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }

    /// Writes down what waits, for at most so long, and closes the file. What comes later is
    /// answered with `Closed`.
    pub async fn close(&self, limit: Duration) -> Result<(), Unwritten> {
        let (answer, closed) = oneshot::channel();
        let closing = Closing { deadline: writer::deadline(limit), answer: Some(answer) };
        if self.ops.send(Op::Close(closing)).is_err() {
            return Ok(());
        }
        // A writer that was closed by somebody else drops the answer.
        match closed.await {
            Ok(0) | Err(_) => Ok(()),
            Ok(changes) => Err(Unwritten { changes }),
        }
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let (answer, flushed) = oneshot::channel();
        self.ops.send(Op::Flush(answer)).map_err(|_| StoreError::Closed)?;
        flushed.await.map_err(|_| StoreError::Closed)
    }

    fn handle(&self, record: Record) -> Arc<JobHandle> {
        Arc::new(JobHandle::new(record, self.ops.clone()))
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // The handles hold the way to the writer open, and the writer holds handles.
        let closing = Closing { deadline: writer::deadline(Duration::ZERO), answer: None };
        let _ = self.ops.send(Op::Close(closing));
    }
}

const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

fn boot_id() -> std::io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

/// The database syncs its own directory; that the directory itself is there is ours to sync.
fn make_durable(directory: &Path) -> std::io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    match directory.parent() {
        Some(parent) if parent != Path::new("") => fs::File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
