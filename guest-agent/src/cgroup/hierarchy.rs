//! The hierarchy as the agent arranges it at boot, and the groups that it makes in it.

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{
    CommandGroup,
    directory::Directory,
    engine::{self, Engine},
};
use crate::{
    command::Limits,
    group::{EngineGroups, Group, Groups},
};

/// Where it is mounted.
pub(crate) const MOUNT_POINT: &str = "/sys/fs/cgroup";

/// What the agent's own memory may come to before the kernel thinks of reclaiming it.
const AGENT_MEMORY_BYTES: &str = "33554432";
/// The largest weight there is; commands have 100.
const AGENT_CPU_WEIGHT: &str = "10000";

#[derive(Debug)]
pub(crate) struct Hierarchy {
    root: Directory,
    /// The number of the next command's group.
    next: AtomicU64,
    /// For a command that names no limit of its own.
    default_pids: u32,
    /// Whether every controller has been handed down, as in a guest.
    complete: bool,
}

impl Hierarchy {
    /// Moves the agent into its leaf and hands the controllers down.
    pub(crate) fn arrange() -> io::Result<Self> {
        let root = Directory::open(MOUNT_POINT)?;
        let agent = root.make_child("agent")?;
        // "0" is the writer. Before the controllers are there, as moving costs for each of them.
        agent.write("cgroup.procs", "0")?;
        root.write("cgroup.subtree_control", "+cpu +memory +pids")?;
        agent.write("cpu.weight", AGENT_CPU_WEIGHT)?;
        agent.write("memory.min", AGENT_MEMORY_BYTES)?;
        Ok(Self { root, next: AtomicU64::new(1), default_pids: default_pids(), complete: true })
    }

    /// From here on somebody else decides which controllers there are.
    pub(crate) fn shared(self) -> Self {
        Self { complete: false, ..self }
    }

    /// Groups in a directory of somebody else's hierarchy, with the limits that it can set.
    pub(crate) fn below(path: &Path) -> io::Result<Self> {
        let root = Directory::open(path)?;
        Ok(Self { root, next: AtomicU64::new(1), default_pids: default_pids(), complete: false })
    }

    fn has_controllers(&self, group: &Directory) -> bool {
        self.complete || group.has("pids.max")
    }

    fn limit(&self, group: &Directory, limits: &Limits) -> io::Result<()> {
        if !self.has_controllers(group) {
            return Ok(());
        }
        if let Some(bytes) = limits.memory_bytes {
            group.write("memory.max", &bytes.to_string())?;
        }
        // Not there without swap in the kernel, and then not missed.
        if let Err(error) = group.write("memory.swap.max", "0")
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        group.write("pids.max", &limits.pids.unwrap_or(self.default_pids).to_string())
    }
}

impl Groups for Hierarchy {
    fn create(&self, limits: &Limits) -> io::Result<Box<dyn Group>> {
        let name = format!("exec-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let directory = self.root.make_child(&name)?;
        // One process out of memory takes the whole command with it: half a build is no build.
        let together = if self.has_controllers(&directory) {
            directory.write("memory.oom.group", "1")
        } else {
            Ok(())
        };
        if let Err(error) = together.and_then(|()| self.limit(&directory, limits)) {
            // An empty group that stays behind harms nobody; the first error is the one to tell.
            let _ = self.root.remove_child(&name);
            return Err(error);
        }
        Ok(Box::new(CommandGroup { root: self.root.try_clone()?, name, directory }))
    }

    /// One step out of memory fails by itself, and the engine lives to tell of it.
    fn create_for_engine(&self, limits: &Limits) -> io::Result<Arc<dyn EngineGroups>> {
        let directory = self.root.make_child(engine::NAME)?;
        if !self.has_controllers(&directory) {
            return Ok(Arc::new(Engine::arrange(directory, None)?));
        }
        self.limit(&directory, limits)?;
        directory.write("cgroup.subtree_control", "+cpu +memory +pids")?;
        Ok(Arc::new(Engine::arrange(directory, limits.memory_bytes)?))
    }
}

/// Half of what the kernel can hold: the agent and the kernel's own threads keep room beside a
/// fork bomb.
fn default_pids() -> u32 {
    let number = |path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.trim().parse().unwrap_or(u32::MAX)
    };
    let threads: u32 = number("/proc/sys/kernel/threads-max");
    let pids: u32 = number("/proc/sys/kernel/pid_max");
    (threads.min(pids) / 2).clamp(64, 16 * 1024)
}
