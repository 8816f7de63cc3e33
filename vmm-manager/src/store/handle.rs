//! One job, shared by its lifecycle and everyone who asks about it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use tokio::sync::{oneshot, watch};

use super::{
    attach::{AttachError, AttachPoint, Attachment, AttachmentEnds},
    cancel::{CancelReason, Cancellation},
};
use crate::{
    job::{Job, JobId, JobSpec, MachineRecord, Outcome, Owner, Phase, PhaseTime, State},
    log::Log,
};

#[derive(Debug)]
pub struct JobHandle {
    id: JobId,
    owner: Owner,
    spec: Arc<JobSpec>,
    /// Written by the job's lifecycle alone, read by all.
    publisher: watch::Sender<Job>,
    cancellation: Cancellation,
    attach_point: AttachPoint,
    log: Log,
    /// Everything that the job took from the host has been given back.
    released: AtomicBool,
}

impl JobHandle {
    pub fn new(job: Job, log: Log) -> Self {
        Self {
            id: job.id.clone(),
            owner: job.owner.clone(),
            spec: Arc::clone(&job.spec),
            attach_point: AttachPoint::new(job.spec.attach),
            publisher: watch::Sender::new(job),
            cancellation: Cancellation::default(),
            log,
            released: AtomicBool::new(false),
        }
    }

    pub fn id(&self) -> &JobId {
        &self.id
    }

    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    pub fn spec(&self) -> &JobSpec {
        &self.spec
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn snapshot(&self) -> Job {
        let mut job = self.publisher.borrow().clone();
        job.log = self.log.summary();
        job
    }

    pub fn watch(&self) -> watch::Receiver<Job> {
        self.publisher.subscribe()
    }

    pub fn cancel(&self, reason: CancelReason) {
        self.cancellation.cancel(reason);
    }

    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    pub fn attach(&self) -> Result<Attachment, AttachError> {
        self.attach_point.attach()
    }

    /// For the job's lifecycle, once.
    pub fn attachment(&self) -> Option<oneshot::Receiver<AttachmentEnds>> {
        self.attach_point.arrival()
    }

    pub fn is_released(&self) -> bool {
        self.released.load(Ordering::Acquire)
    }

    pub fn mark_released(&self) {
        self.released.store(true, Ordering::Release);
    }

    pub fn begin_phase(&self, phase: Phase) {
        self.publisher.send_modify(|job| {
            let started_at = match job.state {
                State::Running { started_at, .. } => started_at,
                State::Queued | State::Ended { .. } => SystemTime::now(),
            };
            job.state = State::Running { phase, started_at };
        });
    }

    /// Closes the step that is open and opens the next.
    pub fn begin_step(&self, name: &'static str) {
        self.publisher.send_modify(|job| {
            let now = SystemTime::now();
            close_step(job, now);
            job.phases.push(PhaseTime { name, started_at: now, duration: None });
        });
    }

    pub fn record_machine(&self, machine: MachineRecord) {
        self.publisher.send_modify(|job| job.machine = Some(machine));
    }

    pub fn record_memory_peak(&self, bytes: u64) {
        self.publisher.send_modify(|job| job.memory_peak_bytes = Some(bytes));
    }

    /// Once: the first outcome stands.
    pub fn end(&self, outcome: Outcome) {
        let log = self.log.summary();
        self.publisher.send_if_modified(|job| {
            let started_at = match job.state {
                State::Queued => None,
                State::Running { started_at, .. } => Some(started_at),
                State::Ended { .. } => return false,
            };
            let ended_at = SystemTime::now();
            close_step(job, ended_at);
            job.log = log;
            job.state = State::Ended { outcome, started_at, ended_at };
            true
        });
    }
}

fn close_step(job: &mut Job, now: SystemTime) {
    if let Some(open) = job.phases.last_mut().filter(|step| step.duration.is_none()) {
        open.duration = Some(now.duration_since(open.started_at).unwrap_or_default());
    }
}
