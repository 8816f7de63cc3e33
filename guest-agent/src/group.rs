//! The processes of one command, taken together.

use std::{io, sync::Arc};

use crate::{
    command::Limits,
    kmsg,
    process::{Cloned, Plan},
};

/// Makes groups: the guest's are control groups.
pub(crate) trait Groups: Send + Sync {
    /// A new and empty group with these limits.
    fn create(&self, limits: &Limits) -> io::Result<Box<dyn Group>>;

    /// Those of a build engine, which there is once.
    fn create_for_engine(&self, limits: &Limits) -> io::Result<Arc<dyn EngineGroups>>;
}

/// The groups of a build engine: its daemon, its clients and its steps, within the same limits.
pub(crate) trait EngineGroups: Send + Sync {
    fn daemon(&self) -> io::Result<Box<dyn Group>>;

    /// Of the daemon's containerd.
    fn store(&self) -> io::Result<Box<dyn Group>>;

    /// Killing it kills every step too.
    fn client(&self) -> io::Result<Box<dyn Group>>;

    /// Where the engine is to put its steps, as it names it.
    fn steps(&self) -> Option<&'static str>;
}

/// The narrow seam between a command and the kernel's control groups.
pub(crate) trait Group: Send + Sync {
    /// Starts the group's first process inside it.
    fn start(&self, plan: &Plan<'_>) -> io::Result<Cloned>;

    /// SIGKILL to every process in it, forking ones included.
    fn kill(&self) -> io::Result<()>;

    /// Whether all its processes are gone; those that were not reaped yet count as gone.
    fn is_empty(&self) -> io::Result<bool>;

    /// How many processes it has.
    fn count(&self) -> io::Result<u32>;

    fn memory(&self) -> Memory;

    /// Removes an empty group.
    fn remove(&self) -> io::Result<()>;
}

/// What the kernel says of a group's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) peak_bytes: u64,
    /// How many processes the kernel has killed for want of memory.
    pub(crate) kills: u64,
}

/// A group that dies with its owner.
pub(crate) struct OwnedGroup(Box<dyn Group>);

impl OwnedGroup {
    pub(crate) fn new(group: Box<dyn Group>) -> Self {
        Self(group)
    }
}

impl std::ops::Deref for OwnedGroup {
    type Target = dyn Group;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Drop for OwnedGroup {
    fn drop(&mut self) {
        // The net: the normal end has killed everything before, and then both are quick. A group
        // that cannot be removed holds a process that cannot be killed; both go with the VM.
        if self.0.is_empty().is_ok_and(|empty| !empty)
            && let Err(error) = self.0.kill()
        {
            kmsg::error(format_args!("a command cannot be killed: {error}"));
        }
        let _ = self.0.remove();
    }
}

impl std::fmt::Debug for OwnedGroup {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("OwnedGroup").finish_non_exhaustive()
    }
}
