//! Who runs when: jobs wait in the order in which they came for a VM's place and its memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::task::TaskTracker;

use crate::{
    admission::{Capacity, Refusal, admit},
    job::{Job, JobSpec, Owner},
    lifecycle::{self, Host, interrupt},
    log::{LogQuota, LogWriter},
    store::{CancelReason, JobHandle, Store},
};

#[derive(Debug)]
pub struct Scheduler {
    host: Arc<Host>,
    store: Arc<Store>,
    capacity: Capacity,
    log_quota: LogQuota,
    /// One permit a VM. Both semaphores are fair, and each job takes this one first, so the queue
    /// is one queue.
    places: Arc<Semaphore>,
    /// One permit a MiB.
    memory: Arc<Semaphore>,
    running: TaskTracker,
}

/// What a running job holds of the host's budget.
#[derive(Debug)]
struct Share {
    _place: OwnedSemaphorePermit,
    _memory: OwnedSemaphorePermit,
}

impl Scheduler {
    pub fn new(
        host: Arc<Host>,
        store: Arc<Store>,
        capacity: Capacity,
        max_vms: usize,
        log_quota: LogQuota,
    ) -> Self {
        let memory = usize::try_from(capacity.memory_bytes >> 20).unwrap_or(usize::MAX);
        Self {
            host,
            store,
            capacity,
            log_quota,
            places: Arc::new(Semaphore::new(max_vms)),
            memory: Arc::new(Semaphore::new(memory.min(Semaphore::MAX_PERMITS))),
            running: TaskTracker::new(),
        }
    }

    /// Admits and queues a job; a job that could never run here is refused.
    pub fn submit(&self, owner: Owner, spec: JobSpec) -> Result<Arc<JobHandle>, Refusal> {
        admit(&spec, &self.capacity)?;
        let job = Job::new(owner, spec);
        let directory = self.host.home.job_directory(&job.id);
        let (writer, log) = LogWriter::create(directory, self.log_quota);
        let handle = Arc::new(JobHandle::new(job, log));
        self.store.insert(Arc::clone(&handle));
        let task = run(
            Arc::clone(&self.host),
            Arc::clone(&self.store),
            Arc::clone(&self.places),
            Arc::clone(&self.memory),
            Arc::clone(&handle),
            writer,
        );
        self.running.spawn(task);
        Ok(handle)
    }

    /// Ends every job and waits until all is given back.
    pub async fn shut_down(&self) {
        self.running.close();
        for handle in self.store.all() {
            handle.cancel(CancelReason::Shutdown);
        }
        self.running.wait().await;
    }
}

async fn run(
    host: Arc<Host>,
    store: Arc<Store>,
    places: Arc<Semaphore>,
    memory: Arc<Semaphore>,
    handle: Arc<JobHandle>,
    writer: LogWriter,
) {
    handle.begin_step("queue");
    let share = tokio::select! {
        biased;
        reason = handle.cancellation().cancelled() => {
            drop(writer);
            handle.end(interrupt::cancelled(reason));
            handle.mark_released();
            return;
        }
        share = share(places, memory, handle.spec()) => share,
    };
    lifecycle::run(Arc::clone(&host), handle, writer).await;
    drop(share);
    for id in store.forget_surplus() {
        let directory = host.home.job_directory(&id);
        if let Err(error) = tokio::fs::remove_dir_all(&directory).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::error!(path = %directory.display(), %error, "a forgotten job's log is left behind");
        }
    }
}

/// Waits for a share of the budget. `None` only if a semaphore were closed, which none ever is.
async fn share(places: Arc<Semaphore>, memory: Arc<Semaphore>, spec: &JobSpec) -> Option<Share> {
    let mebibytes = u32::try_from(spec.machine_memory_bytes() >> 20).unwrap_or(u32::MAX);
    let place = places.acquire_owned().await.ok()?;
    let memory = memory.acquire_many_owned(mebibytes).await.ok()?;
    Some(Share { _place: place, _memory: memory })
}
