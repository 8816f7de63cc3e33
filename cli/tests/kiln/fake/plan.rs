//! What the fake plays.

use std::time::Duration;

use bytes::Bytes;
use kiln_proto::v1;
use tonic::Status;

use super::{BuildPlan, ImagePlan, RootfsPlan};

#[derive(Debug)]
pub(crate) struct Plan {
    /// What a job does once it is attached to, or at once when it is not.
    pub(crate) steps: Vec<Step>,
    /// How it ends when its steps are done and nobody cancelled it.
    pub(crate) end: fn(&mut v1::Job),
    /// Jobs that were there before, newest first.
    pub(crate) jobs: Vec<v1::Job>,
    /// The log of every job.
    pub(crate) log: Vec<v1::ReadLogResponse>,
    pub(crate) refuse_create: Option<Status>,
    pub(crate) refuse_attach: Option<Status>,
    pub(crate) refuse_cancel: Option<Status>,
    /// Sources that are longer.
    pub(crate) refuse_upload: Option<u64>,
    /// Before `CreateJob` is answered.
    pub(crate) create_delay: Duration,
    /// In the phase `boot`.
    pub(crate) boot_delay: Duration,
    /// Cancel is acknowledged and nothing happens.
    pub(crate) is_deaf: bool,
    /// Each happens once, the first time that its place is reached.
    pub(crate) deaths: Vec<Death>,
    /// What the output disks of a completed job carry, in their order.
    pub(crate) outputs: Vec<Bytes>,
    /// Instead of the outputs' own.
    pub(crate) output_digest: Option<String>,
    /// It is of a time when there was no `--egress`.
    pub(crate) is_old: bool,
    /// Of the network of every job, and how long after its end it is there.
    pub(crate) egress: Option<(Duration, v1::EgressRecord)>,
    /// Of VMs, or why they have none.
    pub(crate) network: Result<v1::HostNetwork, String>,
    /// What its registry served to every job, with the record of the network.
    pub(crate) registry: Option<v1::RegistryRecord>,
    /// Its images, and registries outside.
    pub(crate) images: ImagePlan,
    /// What a build does, and what comes of it.
    pub(crate) build: BuildPlan,
    /// What comes of a root filesystem.
    pub(crate) rootfs: RootfsPlan,
    /// How a command of `ExecInJob` ends, once its stdin has come back on its stdout.
    pub(crate) exec_end: v1::exec_in_job_response::Event,
}

/// Where the daemon is killed, and how long it is away.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Death {
    /// Before the job is written down.
    BeforeCreate(Duration),
    /// Before the job that there is now is answered with.
    InCreate(Duration),
    /// When so many bytes of a source have arrived.
    InUpload(u64, Duration),
    /// When so many bytes of an output are on their way.
    InDownload(u64, Duration),
    /// When so many bytes of a log are on their way.
    InLog(u64, Duration),
    /// When so many bytes of an image are on their way.
    InTransfer(u64, Duration),
}

impl Death {
    pub(crate) fn after(self) -> Duration {
        match self {
            Self::BeforeCreate(after)
            | Self::InCreate(after)
            | Self::InUpload(_, after)
            | Self::InDownload(_, after)
            | Self::InLog(_, after)
            | Self::InTransfer(_, after) => after,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Stdout(Bytes),
    Stderr(Bytes),
    /// So many bytes of stdout, each in a message of its own.
    Drip(usize),
    /// Stdin comes back on stdout until it is closed.
    Echo,
    Sleep(Duration),
    /// What is booted is up.
    Up(v1::BootRecord),
    /// Until somebody cancels the job, or for ever.
    UntilCancelled,
    /// The attachment fails; the job ends as planned.
    Break,
    /// The attachment fails; the job goes on for ever.
    BreakAndGoOn,
    /// The attachment ends in order, without the final word.
    Hush,
    /// The daemon is killed and comes back after a while.
    Restart(Duration),
    /// Like [`Step::Echo`], with the daemon killed each time that so much was taken.
    EchoThrough(usize, Duration),
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            end: super::completed,
            jobs: Vec::new(),
            log: Vec::new(),
            refuse_create: None,
            refuse_attach: None,
            refuse_cancel: None,
            refuse_upload: None,
            create_delay: Duration::ZERO,
            boot_delay: Duration::ZERO,
            is_deaf: false,
            deaths: Vec::new(),
            outputs: Vec::new(),
            output_digest: None,
            is_old: false,
            egress: None,
            network: Err(String::new()),
            registry: None,
            images: ImagePlan::default(),
            build: BuildPlan::default(),
            rootfs: RootfsPlan::default(),
            exec_end: v1::exec_in_job_response::Event::Exit(v1::ExitStatus { code: 0, signal: 0 }),
        }
    }
}
