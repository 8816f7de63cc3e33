//! The groups of a build engine.

use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use super::{CommandGroup, directory::Directory, figures};
use crate::{
    group::{EngineGroups, Group, Memory},
    process::{Cloned, Plan},
};

pub(super) const NAME: &str = "engine";
const STEPS: &str = "steps";
/// From the hierarchy's root: `NAME` and `STEPS`.
const STEPS_PATH: &str = "/engine/steps";
/// What steps leave of the engine's memory to its own processes, so that it is a step that is killed
/// when steps take too much, and the engine lives to tell of it. At most a quarter.
const OWN_MEMORY_BYTES: u64 = 160 << 20;

#[derive(Debug)]
pub(super) struct Engine {
    directory: Directory,
    steps: Directory,
    /// The number of the next client's group.
    next: AtomicU64,
}

/// A client and the steps that it has asked for.
struct Client {
    own: CommandGroup,
    steps: Directory,
    /// Around both.
    engine: Directory,
    /// What the kernel had killed before.
    kills: u64,
    /// The engine hears of its client's end only after it: it may begin one more step by then.
    was_killed: AtomicBool,
}

impl Engine {
    /// In a group whose limits are set, this one among them.
    pub(super) fn arrange(directory: Directory, memory_bytes: Option<u64>) -> io::Result<Self> {
        let steps = directory.make_child(STEPS)?;
        if let Some(bytes) = memory_bytes {
            let own = OWN_MEMORY_BYTES.min(bytes / 4);
            steps.write("memory.max", &(bytes - own).to_string())?;
        }
        Ok(Self { directory, steps, next: AtomicU64::new(1) })
    }

    fn child(&self, name: &str) -> io::Result<CommandGroup> {
        let directory = self.directory.make_child(name)?;
        Ok(CommandGroup { root: self.directory.try_clone()?, name: name.to_owned(), directory })
    }
}

impl EngineGroups for Engine {
    fn daemon(&self) -> io::Result<Box<dyn Group>> {
        Ok(Box::new(self.child("daemon")?))
    }

    fn store(&self) -> io::Result<Box<dyn Group>> {
        Ok(Box::new(self.child("store")?))
    }

    fn client(&self) -> io::Result<Box<dyn Group>> {
        let own = self.child(&format!("client-{}", self.next.fetch_add(1, Ordering::Relaxed)))?;
        let was_killed = AtomicBool::new(false);
        let (steps, engine) = (self.steps.try_clone()?, self.directory.try_clone()?);
        let kills = figures::memory(&engine).kills;
        Ok(Box::new(Client { own, steps, engine, kills, was_killed }))
    }

    fn steps(&self) -> Option<&'static str> {
        Some(STEPS_PATH)
    }
}

impl Client {
    fn kill_steps(&self) -> io::Result<()> {
        self.steps.write("cgroup.kill", "1")
    }
}

impl Group for Client {
    fn start(&self, plan: &Plan<'_>) -> io::Result<Cloned> {
        self.own.start(plan)
    }

    fn kill(&self) -> io::Result<()> {
        self.was_killed.store(true, Ordering::Relaxed);
        // Both, whatever becomes of the first.
        let (client, steps) = (self.own.kill(), self.kill_steps());
        client.and(steps)
    }

    fn is_empty(&self) -> io::Result<bool> {
        if figures::is_empty(&self.steps)? {
            return self.own.is_empty();
        }
        if self.was_killed.load(Ordering::Relaxed) {
            self.kill_steps()?;
        }
        Ok(false)
    }

    fn count(&self) -> io::Result<u32> {
        Ok(self.own.count()?.saturating_add(self.steps.count_processes()?))
    }

    /// Of the engine's processes as well: what a build takes, it takes there.
    fn memory(&self) -> Memory {
        let Memory { peak_bytes, kills } = figures::memory(&self.engine);
        Memory { peak_bytes, kills: kills.saturating_sub(self.kills) }
    }

    fn remove(&self) -> io::Result<()> {
        self.own.remove()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_told_of_its_steps_by_their_path() {
        assert_eq!(STEPS_PATH, format!("/{NAME}/{STEPS}"));
    }
}
