//! A job: what was asked, how far it is, how it ended.
//!
//! ```text
//!    ┌── kilnd restarted before the work began: begun again ──┐
//!    ▼                                                         │
//! Queued ──▶ Running(Preparing ─▶ Downloading ─▶ Building ─▶ Optimizing ─▶ Packaging)
//!    │                                                         │
//!    └── cancelled in the queue ──▶ Ended(Completed | Failed | Cancelled | Timeout)
//! ```

mod boot;
mod build;
pub mod denial;
mod failure;
mod id;
mod outcome;
mod record;
pub mod rootfs;
mod spec;
mod step;

pub use self::{
    boot::{Boot, BootCheck, BootRecord, BootSource, Probe, USUAL_CHECK, Up, UpBy},
    build::{
        Build, CacheExport, CacheImport, Compression, ContextSource, Dockerfile, Entitlement,
        Export, ExportKind, ImageExport, NamedContext, RunNetwork, SshSource, Ulimit,
    },
    failure::{Failure, FailureClass},
    id::{InvalidJobId, JobId, SourceId},
    outcome::{CommandEnd, ExitStatus, Outcome},
    record::{
        Job, MachineRecord, OutputRecord, Phase, PhaseTime, QueuePlace, State, Usage, WaitsFor,
    },
    rootfs::{Rootfs, RootfsRecord},
    spec::{DiskFormat, Exec, InputDisk, JobSpec, OutputDisk, Owner, TerminalSize, Work},
    step::{Step, UnknownStep},
};
