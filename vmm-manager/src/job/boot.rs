//! What a machine is to boot of its own, and what became of that.

use std::time::Duration;

use super::{
    ExitStatus, JobId, SourceId,
    rootfs::{Skipped, closed::closed},
};

/// How long a root filesystem that is checked may take to be up, unless it is said.
pub const USUAL_CHECK: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Boot {
    pub source: BootSource,
    /// Absolute; empty means what the root has.
    pub init: String,
    pub arguments: Vec<String>,
    /// `None`: it is up when its init says so.
    pub probe: Option<Probe>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootSource {
    Upload(SourceId),
    /// Of a job of the same tenant.
    Artifact {
        job: JobId,
        artifact: String,
    },
}

/// Of what has just been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootCheck {
    pub probe: Option<Probe>,
    pub timeout: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Never empty.
    Command(Vec<String>),
    /// Never 0.
    Port(u16),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootRecord {
    /// What process 1 was to become; empty means what the root has.
    pub init: String,
    /// Why nothing was booted.
    pub skipped: Option<Skipped>,
    /// `None`: it never was.
    pub up: Option<Up>,
    /// Of the image's command, where its end was told.
    pub exit: Option<ExitStatus>,
    /// The console's last lines, escaped.
    pub console_tail: String,
}

/// It is up, as its guest says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    /// Units have failed.
    pub degraded: bool,
    pub by: UpBy,
    /// From the machine's first instruction, where the kilnd that booted it saw that.
    pub after: Option<Duration>,
}

closed! {
    /// What made it count as up.
    pub enum UpBy {
        #[default]
        Init = "init",
        Systemd = "systemd",
        Started = "started",
        Command = "command",
        Port = "port",
    }
}
