//! A job as this command knows it, and as `--json` prints it. `docs/cli.md` promises these shapes:
//! a field may be added, none changes its name or meaning.

mod build;
mod egress;
mod host;
mod image;
mod registry;
mod rootfs;
mod wire;

use std::collections::BTreeMap;

use serde::Serialize;

pub(crate) use self::{
    build::{
        Build, BuildEvent, BuildFault, BuildOptions, BuildRecord, BuildResult, BuildWarning,
        BuiltImage, BuiltPlatform, Content, Step, StepLog, StepProgress,
    },
    egress::{Egress, EgressMode, EgressRecord, Flow, Refusal},
    host::{Budget, GuestLink, Host, HostNetwork},
    image::{Image, ImageDetails, ImagePart, Pruned, Pulled, Pushed},
    registry::{Material, Registry, RegistryDetails, RegistryRecord, RegistryRefusal},
    rootfs::{Boot, BootCheck, BootOptions, HardenOptions, Origin, Probe, Rootfs, RootfsOptions},
    wire::Time,
};

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) tenant: String,
    pub(crate) project: String,
    pub(crate) state: State,
    /// Only while running.
    pub(crate) phase: Option<Phase>,
    /// What `kiln run` and `kiln job wait` exit with; `None` until the job has ended.
    pub(crate) exit_code: Option<u8>,
    /// Of the command, when it ran.
    pub(crate) exit: Option<Exit>,
    pub(crate) failure: Option<Failure>,
    pub(crate) created_at: Option<Time>,
    pub(crate) started_at: Option<Time>,
    pub(crate) ended_at: Option<Time>,
    pub(crate) phases: Vec<PhaseTime>,
    pub(crate) spec: Spec,
    pub(crate) machine: Option<Machine>,
    /// Of the command, as its guest tells.
    pub(crate) memory_peak_bytes: Option<u64>,
    /// What the host saw.
    pub(crate) usage: Option<Usage>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) log: Log,
    /// From 1, while queued.
    pub(crate) queue_position: Option<u32>,
    /// What a queued job waits for.
    pub(crate) waits_for: Option<String>,
    /// From 1.
    pub(crate) attempt: u32,
    pub(crate) idempotency_key: Option<String>,
    /// What happened on its network; `None` before its VM is gone, and where it had none.
    pub(crate) egress: Option<EgressRecord>,
    /// What the host's registry served to it, and what it refused; `None` before there is a guest,
    /// and where there was no registry.
    pub(crate) registry: Option<RegistryRecord>,
    /// Of a root filesystem that has been made.
    pub(crate) rootfs: Option<Rootfs>,
    /// Of a machine that boots one: for its own sake, or to check it.
    pub(crate) boot: Option<Boot>,
}

/// `Unknown` is what a newer kilnd says and this command cannot read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
    Timeout,
    #[default]
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Phase {
    Preparing,
    Downloading,
    Building,
    Optimizing,
    Packaging,
    Unknown,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Exit {
    /// The exit code, or 128 + the signal.
    pub(crate) code: i32,
    pub(crate) signal: Option<i32>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    pub(crate) class: FailureClass,
    pub(crate) message: String,
    pub(crate) details: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FailureClass {
    User,
    Source,
    Registry,
    EgressDenied,
    Oom,
    DiskFull,
    Policy,
    Infrastructure,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct PhaseTime {
    pub(crate) name: String,
    pub(crate) started_at: Option<Time>,
    /// `None` while it lasts.
    pub(crate) duration_seconds: Option<f64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spec {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) timeout_seconds: Option<f64>,
    pub(crate) attach: bool,
    /// `None` for work that this command does not know.
    pub(crate) exec: Option<Exec>,
    /// `None` for other work.
    pub(crate) build: Option<BuildOptions>,
    pub(crate) rootfs: Option<RootfsOptions>,
    pub(crate) boot: Option<BootOptions>,
    pub(crate) inputs: Vec<InputDisk>,
    pub(crate) outputs: Vec<OutputDisk>,
    pub(crate) egress: Egress,
}

/// `Unknown` is one of a newer kilnd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DiskFormat {
    Tar,
    Raw,
    #[default]
    Unknown,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct InputDisk {
    pub(crate) source_id: String,
    pub(crate) path: String,
    pub(crate) format: DiskFormat,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct OutputDisk {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) format: DiskFormat,
    pub(crate) max_bytes: u64,
}

/// What an output disk carried, as the host counted and hashed it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Output {
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) digest: String,
    pub(crate) expired: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Usage {
    pub(crate) vm_memory_peak_bytes: Option<u64>,
    pub(crate) vm_cpu_seconds: Option<f64>,
    pub(crate) disk_peak_bytes: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Exec {
    pub(crate) argv: Vec<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) workdir: String,
    pub(crate) user: String,
    pub(crate) stdin: bool,
    pub(crate) terminal: Option<TerminalSize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct TerminalSize {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Machine {
    pub(crate) vmm: String,
    pub(crate) vmm_version: String,
    pub(crate) accelerator: String,
    /// `None` where kilnd does not tell.
    pub(crate) jail: Option<Jail>,
    pub(crate) kernel_release: String,
    pub(crate) kernel_digest: String,
    pub(crate) initramfs_digest: String,
    pub(crate) root_digest: String,
    pub(crate) agent_version: String,
}

/// How well the programs of a VM are shut in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Jail {
    pub(crate) full: bool,
    pub(crate) missing: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Log {
    pub(crate) end_offset: u64,
    pub(crate) dropped_bytes: u64,
}

impl Job {
    pub(crate) fn has_ended(&self) -> bool {
        match self.state {
            State::Completed | State::Failed | State::Cancelled | State::Timeout => true,
            State::Queued | State::Running | State::Unknown => false,
        }
    }
}

impl Spec {
    /// Whether what it leaves behind are artifacts, and no disks.
    pub(crate) fn has_artifacts(&self) -> bool {
        self.build.is_some() || self.rootfs.is_some()
    }
}

impl Jail {
    /// In one line; of kilnd's word, which may be none.
    pub(crate) fn described(jail: Option<&Self>) -> String {
        match jail {
            None => "unknown".to_owned(),
            Some(Self { full: true, .. }) => "full".to_owned(),
            Some(Self { missing, .. }) => format!("reduced: {}", missing.join("; ")),
        }
    }
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Unknown => "unknown",
        }
    }
}

impl FailureClass {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Source => "source",
            Self::Registry => "registry",
            Self::EgressDenied => "egress_denied",
            Self::Oom => "oom",
            Self::DiskFull => "disk_full",
            Self::Policy => "policy",
            Self::Infrastructure => "infrastructure",
            Self::Unknown => "unknown",
        }
    }
}
