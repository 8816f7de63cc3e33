//! What kilnd asks its helper, and what it hears. Both are installed together: there are no
//! versions, and a field that is not known is an error.

use std::path::PathBuf;

use kiln_net::{
    plan::{Admission, Lease, Plan},
    seen::Seen,
};
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
    /// What all networks of this daemon share: once, before the first. [`Answer::NoNetwork`] where
    /// this host can have none.
    PrepareNetwork {},
    /// A network for a job's machine, shut but for what the plan opens. Answered by
    /// [`Answer::Network`] with the descriptor of its TAP; what its gateway is born with stays here
    /// until its supervisor is started.
    MakeNetwork { job: String, plan: Plan },
    /// The network of a machine that an earlier helper made, found by its gateway's process.
    /// Answered by [`Answer::Network`].
    TakeNetwork { job: String, gateway: ProcessIdentity, plan: Plan },
    /// Opens some more, for some time.
    Admit { job: String, admissions: Vec<Admission> },
    /// What the kernel has seen of it. Answered by [`Answer::NetworkSeen`].
    ReadNetwork { job: String },
    /// Takes it away. Done, if there is none.
    ReleaseNetwork { job: String },
    /// Takes away what is left of networks of this daemon's, but for those of these jobs.
    SweepNetworks { keep: Vec<String> },
    /// What all share, if there is no network any more. [`Answer::Busy`] while there is one.
    ReleaseHostNetwork {},
    /// What stands in the way of networks now. Answered by [`Answer::NetworkTroubles`].
    NetworkTroubles {},
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
    /// It is in place.
    Network {
        lease: Lease,
    },
    NetworkSeen {
        seen: Box<Seen>,
    },
    /// Every address of the pools is taken, by networks of ours, by others', or by the host's own
    /// routes.
    NoAddress {
        reason: String,
    },
    /// Why no machine can have a network here, and what to do.
    NoNetwork {
        reason: String,
    },
    /// One sentence each; none is well.
    NetworkTroubles {
        troubles: Vec<String>,
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
            Self::PrepareNetwork {} => "prepare-network",
            Self::MakeNetwork { .. } => "make-network",
            Self::TakeNetwork { .. } => "take-network",
            Self::Admit { .. } => "admit",
            Self::ReadNetwork { .. } => "read-network",
            Self::ReleaseNetwork { .. } => "release-network",
            Self::SweepNetworks { .. } => "sweep-networks",
            Self::ReleaseHostNetwork {} => "release-host-network",
            Self::NetworkTroubles {} => "network-troubles",
        }
    }

    /// How many descriptors come with it.
    pub fn descriptors(&self) -> usize {
        if let Self::StartSupervisor { .. } = self { 2 } else { 0 }
    }
}
