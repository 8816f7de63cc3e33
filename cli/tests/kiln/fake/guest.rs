//! A job and its command, which know nothing of the daemon's life and death.

use std::{
    sync::{Arc, Mutex},
    time::SystemTime,
};

use bytes::Bytes;
use kiln_proto::v1;
use tokio::sync::watch;
use tonic::Status;

use super::{State, Step};

/// As kilnd cuts a stream.
const CHUNK: usize = 64 << 10;
/// How far the log may be ahead of an attached reader.
const WINDOW: u64 = 512 << 10;
/// How much stdin is taken that the command has not read.
const PIPE: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Guest {
    pub(super) job: watch::Sender<v1::Job>,
    /// Counts every change of what follows.
    pub(super) changed: watch::Sender<u64>,
    log: Mutex<Vec<Item>>,
    /// How far the attachment has read.
    read: watch::Sender<u64>,
    stdin: Mutex<Stdin>,
    is_begun: Mutex<bool>,
    /// Of attachments: the newest one counts.
    pub(super) attachments: watch::Sender<u64>,
}

#[derive(Clone, Debug)]
pub(super) enum Item {
    Output {
        offset: u64,
        stream: v1::Stream,
        bytes: Bytes,
    },
    /// What happens to the attachment that gets there first.
    Broken(Option<Status>),
}

#[derive(Debug, Default)]
struct Stdin {
    taken: Vec<u8>,
    consumed: usize,
    is_closed: bool,
}

impl Guest {
    pub(super) fn new(job: v1::Job) -> Self {
        Self {
            job: watch::channel(job).0,
            changed: watch::channel(0).0,
            log: Mutex::default(),
            read: watch::channel(0).0,
            stdin: Mutex::default(),
            is_begun: Mutex::default(),
            attachments: watch::channel(0).0,
        }
    }

    /// Begins once, whoever asks.
    pub(super) fn begin(self: &Arc<Self>, state: &Arc<State>) {
        if !std::mem::replace(&mut *self.is_begun.lock().unwrap(), true) {
            let (guest, run_state) = (self.clone(), state.clone());
            state.spawn(async move { guest.run(&run_state).await });
        }
    }

    /// The item at `offset`, cut to it. `broken` are consumed.
    pub(super) fn item(&self, index: &mut usize, from: u64) -> Option<Item> {
        let mut log = self.log.lock().unwrap();
        while let Some(item) = log.get_mut(*index) {
            match item {
                Item::Output { offset, stream, bytes } => {
                    let end = *offset + bytes.len() as u64;
                    if end > from {
                        let skipped = usize::try_from(from.saturating_sub(*offset)).unwrap();
                        let (offset, bytes) = ((*offset).max(from), bytes.slice(skipped..));
                        return Some(Item::Output { offset, stream: *stream, bytes });
                    }
                    *index += 1;
                }
                Item::Broken(_) => return Some(log.remove(*index)),
            }
        }
        None
    }

    pub(super) fn log(&self) -> Vec<Item> {
        self.log.lock().unwrap().clone()
    }

    pub(super) fn has_read(&self, offset: u64) {
        self.read.send_modify(|read| *read = offset);
    }

    pub(super) fn stdin_taken(&self) -> u64 {
        self.stdin.lock().unwrap().taken.len() as u64
    }

    /// Waits while the command does not read.
    pub(super) async fn take_stdin(&self, state: &State, bytes: &[u8]) {
        let mut changed = self.changed.subscribe();
        for part in bytes.chunks(1000) {
            changed
                .wait_for(|_| {
                    let stdin = self.stdin.lock().unwrap();
                    stdin.taken.len() - stdin.consumed < PIPE
                })
                .await
                .unwrap();
            let mut stdin = self.stdin.lock().unwrap();
            assert!(!stdin.is_closed, "stdin after its end");
            stdin.taken.extend_from_slice(part);
            state.stdin.lock().unwrap().extend_from_slice(part);
            drop(stdin);
            self.touch();
        }
    }

    pub(super) fn close_stdin(&self, state: &State) {
        self.stdin.lock().unwrap().is_closed = true;
        state.stdin_closed.send_replace(true);
        self.touch();
    }

    fn touch(&self) {
        self.changed.send_modify(|changed| *changed += 1);
    }

    async fn run(&self, state: &Arc<State>) {
        let mut cancelled = self.job.subscribe();
        tokio::select! {
            // First, for a job may be cancelled before it is attached to.
            biased;
            _ = cancelled.wait_for(|job| job.state() == v1::JobState::Cancelled) => {}
            () = self.steps(state) => self.end(state),
        }
        if let Some((after, record)) = &state.plan.egress {
            tokio::time::sleep(*after).await;
            self.job.send_modify(|job| {
                job.egress = Some(record.clone());
                job.registry.clone_from(&state.plan.registry);
            });
        }
    }

    async fn steps(&self, state: &Arc<State>) {
        self.phase(v1::Phase::Preparing, "boot");
        tokio::time::sleep(state.plan.boot_delay).await;
        self.phase(v1::Phase::Building, "work");
        for step in state.plan.steps.clone() {
            self.step(state, step).await;
        }
    }

    async fn step(&self, state: &Arc<State>, step: Step) {
        match step {
            Step::Stdout(bytes) => self.write(v1::Stream::Stdout, &bytes, CHUNK).await,
            Step::Stderr(bytes) => self.write(v1::Stream::Stderr, &bytes, CHUNK).await,
            Step::Drip(count) => {
                self.write(v1::Stream::Stdout, &super::pattern(1, count), 1).await;
            }
            Step::Echo => self.echo(state, usize::MAX, std::time::Duration::ZERO).await,
            Step::EchoThrough(each, after) => self.echo(state, each, after).await,
            Step::Up(record) => self.job.send_modify(|job| job.boot = Some(record)),
            Step::Sleep(duration) => tokio::time::sleep(duration).await,
            Step::UntilCancelled => std::future::pending().await,
            Step::Break => self.push(Item::Broken(Some(Status::internal("the fake broke it")))),
            Step::BreakAndGoOn => {
                self.push(Item::Broken(Some(Status::internal("the fake broke it"))));
                std::future::pending::<()>().await;
            }
            Step::Hush => self.push(Item::Broken(None)),
            Step::Restart(after) => state.restarted(after).await,
        }
    }

    async fn echo(&self, state: &Arc<State>, each: usize, after: std::time::Duration) {
        let mut changed = self.changed.subscribe();
        let mut until_death = each;
        loop {
            changed.borrow_and_update();
            let (fresh, is_closed) = {
                let mut stdin = self.stdin.lock().unwrap();
                let fresh = stdin.taken[stdin.consumed..].to_vec();
                stdin.consumed = stdin.taken.len();
                (Bytes::from(fresh), stdin.is_closed)
            };
            if fresh.is_empty() {
                if is_closed {
                    return;
                }
                changed.changed().await.unwrap();
                continue;
            }
            self.touch();
            self.write(v1::Stream::Stdout, &fresh, CHUNK).await;
            until_death = until_death.saturating_sub(fresh.len());
            if until_death == 0 {
                until_death = each;
                state.restarted(after).await;
            }
        }
    }

    fn end_offset(&self) -> u64 {
        self.job.borrow().log.unwrap_or_default().end_offset
    }

    async fn write(&self, stream: v1::Stream, bytes: &Bytes, chunk: usize) {
        let is_attached = self.job.borrow().spec.as_ref().is_some_and(|spec| spec.attach);
        let mut read = self.read.subscribe();
        for start in (0..bytes.len()).step_by(chunk) {
            let bytes = bytes.slice(start..bytes.len().min(start + chunk));
            let offset = self.end_offset();
            if is_attached {
                read.wait_for(|&read| offset < read + WINDOW).await.unwrap();
            }
            let end = offset + bytes.len() as u64;
            self.job.send_modify(|job| job.log.get_or_insert_default().end_offset = end);
            self.push(Item::Output { offset, stream, bytes });
        }
    }

    fn push(&self, item: Item) {
        self.log.lock().unwrap().push(item);
        self.touch();
    }

    pub(super) fn phase(&self, phase: v1::Phase, name: &str) {
        let now = SystemTime::now();
        self.job.send_modify(|job| {
            job.set_state(v1::JobState::Running);
            job.set_phase(phase);
            job.started_at.get_or_insert(now.into());
            job.phases.push(v1::PhaseTime {
                name: name.to_owned(),
                started_at: Some(now.into()),
                duration: None,
            });
        });
    }

    pub(super) fn end(&self, state: &State) {
        self.job.send_modify(|job| {
            if super::rootfs::is_one(job) {
                super::rootfs::end(&state.plan.rootfs, job);
            } else {
                (state.plan.end)(job);
            }
            job.set_phase(v1::Phase::Unspecified);
            job.ended_at = Some(SystemTime::now().into());
            if job.state() == v1::JobState::Completed {
                super::transfer::record_outputs(&state.plan, job);
            }
        });
        self.touch();
    }
}
