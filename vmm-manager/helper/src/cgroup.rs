//! The making and the removal of VMs' cgroups, with their limits.
//!
//! With version 1 a VM's name stands in the hierarchies of memory, pids, cpuacct, cpu and blkio;
//! with version 2 there is one. Which of them it is shows in the names of their files.

mod detect;
mod limits;
mod name;

pub use self::{
    detect::{Cgroups, NoCgroups},
    limits::{CgroupLimits, memory_limit_bytes},
    name::{is_plain, of_instance},
};

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// A daemon that died left it, or it is not ours.
    #[error("the cgroup {path} is there already")]
    Exists { path: PathBuf },
    #[error("{name} cannot name a cgroup")]
    Name { name: String },
    #[error("the cgroup {path} could not be made")]
    Make { path: PathBuf, source: io::Error },
    #[error("{path} could not be set to {value}")]
    Set { path: PathBuf, value: String, source: io::Error },
    #[error("{path} is {actual}, not {asked} as asked")]
    ReadBack { path: PathBuf, asked: u64, actual: String },
    /// Who makes them for us could not.
    #[error("{reason}")]
    Helper { reason: String },
}

#[cfg(test)]
mod tests;
