//! What kilnd may ask for. Given by root, once; pure but for looking at what paths lead to.

mod order;
mod paths;

use std::{
    fs::File,
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

use kiln_net::plan::HostNetwork;
use kiln_shim::privileges::Keeper;
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use serde::{Deserialize, Serialize};

use crate::cgroup::is_plain;

/// Read once at the start of the helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The home's id.
    pub instance: String,
    /// Canonical.
    pub home: PathBuf,
    /// Whose process kilnd is, and its supervisors are.
    pub keeper: Keeper,
    /// Whose processes VMs are.
    pub uids: Vec<Uids>,
    /// The supervisor's program.
    pub shim: PathBuf,
    /// What may run in a jail.
    pub programs: Vec<PathBuf>,
    /// What may run as a machine's gateway, and as nothing else, by this very name. `None` where
    /// machines have no network.
    pub gateway: Option<PathBuf>,
    /// What may run without: nothing but guests that are none.
    pub unjailed: Vec<PathBuf>,
    /// Directories of the host below which programs may be given files to read.
    pub readable: Vec<PathBuf>,
    /// Where kilnd listens.
    pub socket: PathBuf,
    /// What networks of machines may be; without it there are none.
    pub network: Option<HostNetwork>,
    /// Where the daemons of this host tell each other what they have of its networks; root's alone.
    pub networks: PathBuf,
}

/// User ids, both ends of them included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Uids {
    pub first: u32,
    pub last: u32,
}

impl Uids {
    fn contains(self, uid: u32) -> bool {
        (self.first..=self.last).contains(&uid)
    }
}

/// Why a request is not followed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("{name:?} cannot name a job")]
    Name { name: String },
    #[error("{field} is {actual}, not {expected}")]
    Differs { field: &'static str, actual: String, expected: String },
    #[error("the order is invalid: {reason}")]
    Order { reason: String },
    #[error("{program} may not run without a jail")]
    Unjailed { program: PathBuf },
    #[error("{program} is no program that may run here")]
    Program { program: PathBuf },
    #[error("the user {uid} is none of this daemon's VMs'")]
    Uid { uid: u32 },
    #[error("the programs of a machine have one user, and one with a jail has any")]
    User,
    #[error("{program} is asked to have {what}, and the machine has no such network")]
    NoNetwork { program: String, what: String },
    #[error("{program} {fault}")]
    Gateway { program: String, fault: &'static str },
    #[error("{path} may not be given to a program as {access}")]
    Path { path: PathBuf, access: &'static str },
    #[error("{path} is no directory of a VM")]
    Directory { path: PathBuf },
    #[error("{path} is none of the job's cgroups")]
    Cgroup { path: PathBuf },
    #[error("the process {pid} is none of the job's machine")]
    Process { pid: u32 },
    #[error("{actual} descriptors came with it, not {expected}")]
    Descriptors { actual: usize, expected: usize },
    #[error("what came with it is no pipe")]
    NoPipe,
    #[error("others than root may change the directory of {path}")]
    Socket { path: PathBuf },
    #[error("this daemon's machines have no networks")]
    NoNetworks,
    #[error("{what} is more than root allows")]
    Ceiling { what: String },
    #[error("{job} has no network")]
    Networkless { job: String },
    #[error("{path} cannot be looked at")]
    Io { path: PathBuf, source: io::Error },
}

impl Policy {
    /// A job's name, which is one component of a path in many places.
    pub fn job<'a>(&self, name: &'a str) -> Result<&'a str, Refusal> {
        if is_plain(name) { Ok(name) } else { Err(Refusal::Name { name: name.to_owned() }) }
    }

    /// Whether it is one of those of VMs.
    pub fn is_vms(&self, uid: u32) -> bool {
        self.uids.iter().any(|uids| uids.contains(uid))
    }

    pub fn vms(&self) -> PathBuf {
        self.home.join("vms")
    }

    /// The directory of a VM, which is the keeper's, wherever its name leads from now on.
    pub fn directory(&self, job: &str) -> Result<OwnedFd, Refusal> {
        let path = self.vms().join(self.job(job)?);
        let io = |source: io::Error| Refusal::Io { path: path.clone(), source };
        let home = File::open(&self.home).map_err(io)?;
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let below = Path::new("vms").join(job);
        let directory = openat2(home, below, flags, Mode::empty(), resolve);
        let directory = directory.map_err(|error| io(error.into()))?;
        let stat = fstat(&directory).map_err(|error| io(error.into()))?;
        if stat.st_uid == self.keeper.uid && FileType::from_raw_mode(stat.st_mode).is_dir() {
            Ok(directory)
        } else {
            Err(Refusal::Directory { path })
        }
    }
}

fn differs(field: &'static str, actual: &Path, expected: &Path) -> Result<(), Refusal> {
    if actual == expected {
        return Ok(());
    }
    let [actual, expected] = [actual, expected].map(|path| path.display().to_string());
    Err(Refusal::Differs { field, actual, expected })
}
