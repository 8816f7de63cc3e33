//! What kilnd asks its helper, and what it hears. Both are installed together: there are no
//! versions, and a field that is not known is an error.

use std::path::PathBuf;

use kiln_shim::{Order, ProcessIdentity};
use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupLimits;

/// Everything that can be asked. One message each; descriptors come with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The home's own cgroup in each hierarchy. Answered by [`Answer::Cgroups`].
    PrepareCgroups {},
    /// The cgroup of a job, with its limits. Answered by [`Answer::Cgroup`].
    MakeCgroup { job: String, limits: CgroupLimits },
    /// Answered by [`Answer::Done`], or [`Answer::Busy`] while somebody is in it.
    RemoveCgroup { job: String },
    /// The home's own, if they are empty.
    ReleaseCgroups {},
    /// A supervisor, with the reading end of its leash and the writing end of its report.
    StartSupervisor { order: Box<Order> },
    /// SIGKILL to processes of a job's machine, whose supervisor has died.
    Kill { job: String, processes: Vec<ProcessIdentity> },
    /// What a program of a machine waits for: [`Answer::Done`] with the kernel's descriptions of its
    /// epolls, at most four.
    OpenEpolls { process: ProcessIdentity },
    /// Whatever is in a VM's directory, and the directory.
    RemoveFiles { job: String },
    /// The daemon's socket. Answered by [`Answer::Done`] with the descriptor that listens.
    Listen {},
    /// Takes it away.
    Unlisten {},
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Answer {
    Done {},
    Cgroups {
        homes: Vec<PathBuf>,
    },
    Cgroup {
        directories: Vec<PathBuf>,
    },
    NoCgroups {
        reason: String,
    },
    Busy {
        path: PathBuf,
    },
    /// The policy has it not.
    Refused {
        reason: String,
    },
    /// It was allowed, and could not be done.
    Failed {
        what: String,
        errno: i32,
    },
}

impl Request {
    /// For the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PrepareCgroups {} => "prepare-cgroups",
            Self::MakeCgroup { .. } => "make-cgroup",
            Self::RemoveCgroup { .. } => "remove-cgroup",
            Self::ReleaseCgroups {} => "release-cgroups",
            Self::StartSupervisor { .. } => "start-supervisor",
            Self::Kill { .. } => "kill",
            Self::OpenEpolls { .. } => "open-epolls",
            Self::RemoveFiles { .. } => "remove-files",
            Self::Listen {} => "listen",
            Self::Unlisten {} => "unlisten",
        }
    }

    /// How many descriptors come with it.
    pub fn descriptors(&self) -> usize {
        if let Self::StartSupervisor { .. } = self { 2 } else { 0 }
    }
}
