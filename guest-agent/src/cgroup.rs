//! Control groups, version 2: this alone speaks to `/sys/fs/cgroup`.
//!
//! ```text
//! /              kernel threads
//! ├── agent      PID 1: first at the CPU, its memory not reclaimed
//! ├── exec-1     one command with all that it started
//! ├── exec-2     …
//! └── engine     what builds take together
//!     ├── daemon     the engine's daemon
//!     ├── store      its containerd
//!     ├── client-1   one build
//!     └── steps      a group for each step that runs, made by the engine
//! ```
//!
//! Where a root filesystem is booted ([`crate::machine`]) the agent is another process than PID 1, and that
//! one is the tenant's: it begins in `/` and does there what its init does on any machine. An init may
//! take controllers away that nobody of its own wants; groups then go without those limits.
//!
//! A command may hog its group's processors, memory and pids; PID 1 sits beside it with a hundred
//! times its weight, and the kernel never picks PID 1 when memory is short.

mod directory;
mod engine;
mod figures;
mod hierarchy;

use std::io;

use self::directory::Directory;
pub(crate) use self::hierarchy::{Hierarchy, MOUNT_POINT};
use crate::{
    group::{Group, Memory},
    process::{Cloned, Plan, clone_process},
};

/// The control group of one command.
#[derive(Debug)]
pub(crate) struct CommandGroup {
    /// The hierarchy's root and our name in it, for the removal.
    root: Directory,
    name: String,
    directory: Directory,
}

impl Group for CommandGroup {
    fn start(&self, plan: &Plan<'_>) -> io::Result<Cloned> {
        clone_process(Some(self.directory.as_fd()), plan)
    }

    fn kill(&self) -> io::Result<()> {
        self.directory.write("cgroup.kill", "1")
    }

    fn is_empty(&self) -> io::Result<bool> {
        figures::is_empty(&self.directory)
    }

    fn count(&self) -> io::Result<u32> {
        self.directory.count_processes()
    }

    fn memory(&self) -> Memory {
        figures::memory(&self.directory)
    }

    fn remove(&self) -> io::Result<()> {
        self.directory.remove_children()?;
        self.root.remove_child(&self.name)
    }
}
