//! The record of a job, as it is published after each change.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use kiln_net::record::EgressRecord;

use super::{BootRecord, ExitStatus, JobId, JobSpec, Outcome, Owner, RootfsRecord, Step, Work};
use crate::{build::BuildRecord, log::LogSummary, registry::RegistryRecord, vmm::JailState};

#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Where it stands in the queue; only while queued, and never stored.
    pub place: Option<QueuePlace>,
    /// From 1: how often it was begun.
    pub attempt: u32,
    pub outputs: Vec<OutputRecord>,
    pub usage: Usage,
    pub idempotency_key: Option<String>,
    /// `None` before its VM is gone, and where it had no network.
    pub egress: Option<Arc<EgressRecord>>,
    /// `None` before its command is over, and where its guest had no registry.
    pub registry: Option<Arc<RegistryRecord>>,
    /// Of a build: `None` before its command is over.
    pub build: Option<Arc<BuildRecord>>,
    /// Of a root filesystem: `None` before its image is there.
    pub rootfs: Option<Arc<RootfsRecord>>,
    /// Of a machine that boots what it is given, or of the check of a root filesystem.
    pub boot: Option<Arc<BootRecord>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueuePlace {
    /// From 1.
    pub position: u32,
    pub waits_for: WaitsFor,
}

/// What keeps a queued job from running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Others come first.
    Turn,
    Vms,
    Cpus,
    Memory,
    Disk,
}

/// What an output disk carried, as the host counted and hashed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRecord {
    pub name: String,
    pub size_bytes: u64,
    /// `sha256:` and 64 hex digits.
    pub digest: String,
    /// Its bytes have been removed.
    pub expired: bool,
}

/// What the host saw a job use; zero where nothing was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub vm_memory_peak_bytes: u64,
    pub vm_cpu_time: Duration,
    pub disk_peak_bytes: u64,
}

impl Usage {
    /// Of two machines, of which one came behind the other.
    #[must_use]
    pub fn beside(self, earlier: Self) -> Self {
        Self {
            vm_memory_peak_bytes: self.vm_memory_peak_bytes.max(earlier.vm_memory_peak_bytes),
            vm_cpu_time: self.vm_cpu_time.saturating_add(earlier.vm_cpu_time),
            disk_peak_bytes: self.disk_peak_bytes.max(earlier.disk_peak_bytes),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
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

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Preparing,
    Downloading,
    Building,
    Optimizing,
    Packaging,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhaseTime {
    pub step: Step,
    pub started_at: SystemTime,
    /// `None` while it lasts.
    pub duration: Option<Duration>,
}

/// What a job ran on: nothing here is taken from what the guest claims but the last two fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineRecord {
    pub vmm: String,
    pub vmm_version: String,
    pub accelerator: String,
    /// How well the VM's programs were shut in; `None` where an earlier kilnd did not tell.
    pub jail: Option<JailState>,
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
            place: None,
            attempt: 1,
            outputs: Vec::new(),
            usage: Usage::default(),
            idempotency_key: None,
            egress: None,
            registry: None,
            build: None,
            rootfs: None,
            boot: None,
        }
    }

    pub fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended { .. })
    }

    /// Of its attempt that runs, or was the last.
    pub fn started_at(&self) -> Option<SystemTime> {
        match &self.state {
            State::Queued => None,
            State::Running { started_at, .. } => Some(*started_at),
            State::Ended { started_at, .. } => *started_at,
        }
    }

    pub fn ended_at(&self) -> Option<SystemTime> {
        match &self.state {
            State::Ended { ended_at, .. } => Some(*ended_at),
            State::Queued | State::Running { .. } => None,
        }
    }

    /// The command's exit, when there was one.
    pub fn exit(&self) -> Option<ExitStatus> {
        match &self.state {
            State::Ended { outcome: Outcome::Completed, .. } => match self.spec.work {
                // One that was powered off has told nothing.
                Work::Boot(_) => self.boot.as_ref().and_then(|boot| boot.exit),
                Work::Exec(_) | Work::Build(_) | Work::Rootfs(_) => Some(ExitStatus::SUCCESS),
            },
            State::Ended { outcome: Outcome::Failed { exit, .. }, .. } => *exit,
            State::Queued | State::Running { .. } | State::Ended { .. } => None,
        }
    }
}
