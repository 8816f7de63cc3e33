//! One job, shared by its lifecycle and everyone who asks about it.

use std::{
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::SystemTime,
};

use kiln_net::record::EgressRecord;
use tokio::sync::{oneshot, watch};

use super::{
    attach::AttachPoint,
    cancel::{CancelReason, Cancellation},
    change::{Change, Record},
    commit::Commit,
    lease::LeaseKind,
    published::Published,
    recovery::{GuestSecret, Recovery},
    writer::{Mutation, Op, What},
};
use crate::{
    build::{BuildRecord, graph::Live, secrets::Secrets, ssh::SshPoint},
    guest::Guest,
    job::{
        BootRecord, CommandEnd, Job, JobId, JobSpec, MachineRecord, Outcome, OutputRecord, Owner,
        Phase, QueuePlace, RootfsRecord, State, Step, Usage,
    },
    log::Log,
    network::EgressView,
    registry::{JobLedger, RegistryRecord},
};

/// Every change goes through the store's writer, in the order in which it was asked for, and is
/// seen by others when it is durable and not before.
#[derive(Debug)]
pub struct JobHandle {
    id: JobId,
    owner: Owner,
    spec: Arc<JobSpec>,
    published: Arc<Published>,
    writer: mpsc::Sender<Op>,
    cancellation: Cancellation,
    attach_point: AttachPoint,
    /// Set by the job's lifecycle when it opens the log; for those who read and follow it.
    log: watch::Sender<Option<Log>>,
    /// Set by the job's lifecycle while there is a guest that was greeted; for a shell in it.
    guest: Mutex<Option<Guest>>,
    /// Set by the job's lifecycle while its guest has a network; for those who ask about it.
    egress: Mutex<Option<Arc<EgressView>>>,
    /// Set by the job's lifecycle while its guest has a registry; likewise.
    ledger: Mutex<Option<Arc<JobLedger>>>,
    /// Set by a build's lifecycle while its steps are told of; for those who watch them.
    build: watch::Sender<Option<Live>>,
    /// Put by whoever creates a build; forgotten by its lifecycle once its guest has them.
    secrets: Secrets,
    ssh: SshPoint,
}

impl JobHandle {
    pub(super) fn new(record: Record, writer: mpsc::Sender<Op>) -> Self {
        let job = &record.job;
        let cancellation = Cancellation::new(job.id.clone());
        if let Some(reason) = record.recovery.cancel {
            cancellation.cancel(reason);
        }
        let handle = Self {
            id: job.id.clone(),
            owner: job.owner.clone(),
            spec: Arc::clone(&job.spec),
            attach_point: AttachPoint::new(job.spec.attach),
            published: Arc::new(Published::new(record)),
            writer,
            cancellation,
            log: watch::Sender::new(None),
            guest: Mutex::new(None),
            egress: Mutex::new(None),
            ledger: Mutex::new(None),
            build: watch::Sender::new(None),
            secrets: Secrets::default(),
            ssh: SshPoint::default(),
        };
        if handle.has_ended() {
            handle.close_points();
        }
        handle
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

    /// Its place among all jobs, in the order in which they came.
    pub fn order(&self) -> u64 {
        self.published.order()
    }

    /// The job as it stands on the disk, its place in the queue, and its log as it grows.
    pub fn snapshot(&self) -> Job {
        let mut job = self.published.job();
        if let (Some(log), false) = (&*self.log.borrow(), job.has_ended()) {
            job.log = log.summary();
        }
        job
    }

    /// The same with what has happened on its network, and at its registry, until just now.
    ///
    /// # Cancel safety
    /// Safe: looking changes nothing.
    pub async fn look(&self) -> Job {
        let view = self.egress.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let recent = match view {
            Some(view) => Some(view.recent().await),
            None => None,
        };
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut job = self.snapshot();
        if !job.has_ended() {
            job.egress = recent.or(job.egress);
            job.registry = ledger.map(|ledger| Arc::new(ledger.record())).or(job.registry);
        }
        job
    }

    pub fn has_ended(&self) -> bool {
        self.published.with_job(Job::has_ended)
    }

    pub fn is_queued(&self) -> bool {
        self.published.with_job(|job| matches!(job.state, State::Queued))
    }

    pub fn watch(&self) -> watch::Receiver<Job> {
        self.published.watch()
    }

    /// Durable facts for whoever takes the job up.
    pub fn recovery(&self) -> Recovery {
        self.published.recovery()
    }

    pub fn is_released(&self) -> bool {
        self.published.recovery().released
    }

    pub fn cancellation(&self) -> &Cancellation {
        &self.cancellation
    }

    pub fn attach_point(&self) -> &AttachPoint {
        &self.attach_point
    }

    /// `None` before there is one, and for an ended job of an earlier daemon.
    pub fn log(&self) -> Option<Log> {
        self.log.borrow().clone()
    }

    /// For those who follow a log that is not there yet.
    pub fn watch_log(&self) -> watch::Receiver<Option<Log>> {
        self.log.subscribe()
    }

    pub fn set_log(&self, log: Log) {
        self.log.send_replace(Some(log));
    }

    /// The guest of a job that runs, where one more command can be run in it.
    pub fn guest(&self) -> Option<Guest> {
        self.guest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cleared before the VM goes: a clone keeps the connection open.
    pub fn set_guest(&self, guest: Option<Guest>) {
        let earlier = std::mem::replace(
            &mut *self.guest.lock().unwrap_or_else(PoisonError::into_inner),
            guest,
        );
        drop(earlier);
    }

    /// Cleared before the network goes.
    pub(crate) fn set_egress(&self, view: Option<Arc<EgressView>>) {
        *self.egress.lock().unwrap_or_else(PoisonError::into_inner) = view;
    }

    /// Likewise.
    pub(crate) fn set_ledger(&self, ledger: Option<Arc<JobLedger>>) {
        *self.ledger.lock().unwrap_or_else(PoisonError::into_inner) = ledger;
    }

    /// The steps of a build as they stand, while they are told of; what came of them is in the record.
    pub fn build(&self) -> Option<Live> {
        self.build.borrow().clone()
    }

    /// For those who watch steps that are not there yet.
    pub fn watch_build(&self) -> watch::Receiver<Option<Live>> {
        self.build.subscribe()
    }

    pub(crate) fn set_build(&self, live: Option<Live>) {
        self.build.send_replace(live);
    }

    /// Of a build, as long as its guest has not got them.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Where a client serves its ssh agent to a build.
    pub fn ssh(&self) -> &SshPoint {
        &self.ssh
    }

    /// Published and never stored.
    pub fn set_place(&self, place: Option<QueuePlace>) {
        self.published.set_place(place);
    }

    /// Its turn has come: it runs, preparing.
    pub fn begin_attempt(&self) -> Commit {
        self.change(Change::BeginAttempt)
    }

    pub fn begin_phase(&self, phase: Phase) -> Commit {
        self.change(Change::BeginPhase(phase))
    }

    /// Closes the step that is open and opens the next.
    pub fn begin_step(&self, step: Step) -> Commit {
        self.change(Change::BeginStep(step))
    }

    pub fn record_machine(&self, machine: MachineRecord) -> Commit {
        self.change(Change::Machine(Box::new(machine)))
    }

    /// Until the job is released: peaks are read when its machine goes.
    pub fn record_usage(&self, usage: Usage) -> Commit {
        self.change(Change::Usage(usage))
    }

    pub fn record_memory_peak(&self, bytes: u64) -> Commit {
        self.change(Change::MemoryPeak(bytes))
    }

    /// Until the job is released, as [`Self::record_usage`].
    pub fn record_egress(&self, egress: EgressRecord) -> Commit {
        self.change(Change::Egress(Arc::new(egress)))
    }

    /// Likewise.
    pub fn record_registry(&self, record: Arc<RegistryRecord>) -> Commit {
        self.change(Change::Registry(record))
    }

    /// Likewise.
    pub fn record_build(&self, record: Arc<BuildRecord>) -> Commit {
        self.change(Change::Build(record))
    }

    /// Likewise.
    pub fn record_rootfs(&self, record: Arc<RootfsRecord>) -> Commit {
        self.change(Change::Rootfs(record))
    }

    /// Likewise.
    pub fn record_boot(&self, record: Arc<BootRecord>) -> Commit {
        self.change(Change::Boot(record))
    }

    /// Once its command is over.
    pub fn record_outputs(&self, outputs: Vec<OutputRecord>) -> Commit {
        self.change(Change::Outputs(outputs))
    }

    /// Of an ended job: the bytes of its outputs are removed. Written before they are.
    pub fn expire_outputs(&self) -> Commit {
        self.change(Change::OutputsExpired)
    }

    /// Awaited before the command is sent to the guest: from here on it is never begun again. Once
    /// an attempt.
    pub fn mark_started(&self) -> Commit {
        self.change(Change::Started)
    }

    /// The command is over; its outputs are still to come.
    pub fn record_exit(&self, exit: CommandEnd) -> Commit {
        self.change(Change::Exit(exit))
    }

    /// The first outcome stands. Work completes only where it was started.
    pub fn end(&self, outcome: Outcome) -> Commit {
        let log = self.snapshot().log;
        self.change(Change::End { outcome, log })
    }

    /// Everything is given back: the job may leave memory.
    pub fn mark_released(&self) -> Commit {
        self.change(Change::Released)
    }

    /// Back to the queue for one more attempt, unless the command was started. What it had of the
    /// host has been given back.
    pub fn requeue(&self) -> Commit {
        match GuestSecret::draw() {
            Ok(secret) => self.change(Change::Requeue(secret)),
            Err(error) => {
                tracing::error!(job = %self.id, %error, "no randomness for a guest's secret");
                // An answer that never comes is the commit's `Closed`.
                Commit::new(oneshot::channel().1)
            }
        }
    }

    /// Written down before it is used; given back by [`Self::requeue`] and [`Self::mark_released`].
    pub fn lease_number(&self, number: u32) -> Commit {
        self.change(Change::Number(number))
    }

    /// Awaited before the thing is taken. Only a job that runs takes anything.
    pub fn take_lease(&self, kind: LeaseKind, name: impl Into<String>) -> Commit {
        self.send(What::Take { kind, name: name.into() })
    }

    /// The thing is gone.
    pub fn release_lease(&self, kind: LeaseKind, name: impl Into<String>) -> Commit {
        self.send(What::GiveBack { kind, name: name.into() })
    }

    /// Wishes that the job end, now and, once this is durable, for every later daemon. A job that
    /// has ended stays as it is.
    pub fn request_cancel(&self) -> Commit {
        let reason = CancelReason::Asked;
        let commit = self.change(Change::Cancel(reason));
        // Before it is durable: on a disk that is full, this job may be what fills it.
        self.cancellation.cancel(reason);
        commit
    }

    /// For this daemon only.
    pub fn cancel(&self, reason: CancelReason) {
        self.cancellation.cancel(reason);
    }

    pub(super) fn published(&self) -> &Arc<Published> {
        &self.published
    }

    /// What others see, and what follows from it.
    pub(super) fn publish(&self, record: Record) {
        let ended = record.job.has_ended();
        self.published.publish(record);
        if ended {
            self.close_points();
        }
    }

    fn close_points(&self) {
        self.attach_point.close();
        self.secrets.forget();
        self.ssh.close();
    }

    fn change(&self, change: Change) -> Commit {
        self.send(What::Change(change))
    }

    fn send(&self, what: What) -> Commit {
        let (answer, commit) = oneshot::channel();
        let published = Arc::clone(&self.published);
        let mutation =
            Mutation { id: self.id.clone(), published, what, at: SystemTime::now(), answer };
        // A writer that is gone drops the answer, which the commit tells.
        let _ = self.writer.send(Op::Mutate(mutation));
        Commit::new(commit)
    }
}
