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
//! To make and to remove one takes root: the helper does it, where there is one. To look at one
//! takes nothing.

mod all;
mod handle;
mod usage;

pub use kiln_helper::cgroup::{CgroupError, CgroupLimits, NoCgroups};

pub use self::{
    all::Cgroups,
    handle::{Cgroup, RemoveError},
    usage::CgroupUsage,
};
