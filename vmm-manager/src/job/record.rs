//! The record of a job, as it is published after each change.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{ExitStatus, JobId, JobSpec, Outcome, Owner};
use crate::log::LogSummary;

#[derive(Clone, Debug)]
pub struct Job {
    pub id: JobId,
    pub owner: Owner,
    pub spec: Arc<JobSpec>,
    pub state: State,
    pub created_at: SystemTime,
    /// In order; the last one may still be open.
    pub phases: Vec<PhaseTime>,
    /// What runs it, once there is a VM.
    pub machine: Option<MachineRecord>,
    pub memory_peak_bytes: Option<u64>,
    pub log: LogSummary,
}

#[derive(Clone, Debug)]
pub enum State {
    Queued,
    Running {
        phase: Phase,
        started_at: SystemTime,
    },
    /// `started_at` is `None` when it ended in the queue.
    Ended {
        outcome: Outcome,
        started_at: Option<SystemTime>,
        ended_at: SystemTime,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Preparing,
    Building,
}

#[derive(Clone, Debug)]
pub struct PhaseTime {
    pub name: &'static str,
    pub started_at: SystemTime,
    /// `None` while it lasts.
    pub duration: Option<Duration>,
}

/// What a job ran on: nothing here is taken from what the guest claims but the last two fields.
#[derive(Clone, Debug)]
pub struct MachineRecord {
    pub vmm: &'static str,
    pub vmm_version: String,
    pub accelerator: &'static str,
    pub kernel_digest: String,
    pub initramfs_digest: String,
    pub root_digest: String,
    /// Claimed by the guest; empty before its hello.
    pub kernel_release: String,
    /// Claimed by the guest; empty before its hello.
    pub agent_version: String,
}

impl Job {
    pub fn new(owner: Owner, spec: JobSpec) -> Self {
        Self {
            id: JobId::generate(),
            owner,
            spec: Arc::new(spec),
            state: State::Queued,
            created_at: SystemTime::now(),
            phases: Vec::new(),
            machine: None,
            memory_peak_bytes: None,
            log: LogSummary::default(),
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// The command's exit, when there was one.
    pub fn exit(&self) -> Option<ExitStatus> {
        match &self.state {
            State::Ended { outcome: Outcome::Completed, .. } => Some(ExitStatus::SUCCESS),
            State::Ended { outcome: Outcome::Failed { exit, .. }, .. } => *exit,
            State::Queued | State::Running { .. } | State::Ended { .. } => None,
        }
    }
}
