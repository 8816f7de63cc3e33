//! One cgroup for each VM, below one for each home: `kiln-INSTANCE/JOB`.
//!
//! ```text
//!             create                joined by each process before its exec       remove
//! (no name) ────────▶ limits set ─────────────────────────────────────────▶ … ────────▶ (no name)
//!                         └── the daemon dies: `leftovers` names it, `open` takes it up ──▲
//! ```
//!
//! It is a lease of the caller's, who writes the name down before it is made: a [`Cgroup`] is only
//! its handle, and dropping one removes nothing, since the VM in it may be left for the next
//! daemon. The kernel refuses to remove a cgroup in which something lives; nothing is ever ended
//! here in order to remove one: who is left of a machine is ended by `vmm::reap`.
//!
//! With cgroup v1 the name stands in the hierarchies of memory, pids and cpuacct; with v2 there is
//! one. Which of them it is shows in the names of their files, so a handle need not know.

mod detect;
mod handle;
mod limits;
mod name;
mod usage;

pub use self::{
    detect::{Cgroups, NoCgroups},
    handle::{Cgroup, RemoveError},
    limits::CgroupLimits,
    usage::CgroupUsage,
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
}

#[cfg(test)]
mod tests;
