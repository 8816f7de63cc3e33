//! What a daemon's VMs have, as the kernel says it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::Host;
use crate::{census::processes, stub::OVERHEAD_BYTES};

/// Looks at the VMs of one home, whichever daemon runs them.
#[derive(Clone, Debug)]
pub struct Sight {
    vms: String,
    home: PathBuf,
}

/// At one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// With a process that is a machine.
    pub vms: usize,
    /// How many control groups have a process.
    pub groups: usize,
    /// The limits of those together; 0 where there are none.
    pub memory_bytes: u64,
}

impl Host {
    pub fn sight(&self) -> Sight {
        let vms = self.home().join("vms").display().to_string() + "/";
        Sight { vms, home: self.home().to_owned() }
    }

    /// The numbers of the VMs that there are now, as their processes were told them.
    pub fn vm_numbers(&self) -> anyhow::Result<BTreeSet<u32>> {
        let number = |command: &str| {
            let mut words = command.split_whitespace();
            words.find(|word| matches!(*word, "--cid" | "--guest-cid"))?;
            words.next()?.parse().ok()
        };
        Ok(self.vm_processes()?.iter().filter_map(|process| number(&process.command)).collect())
    }
}

impl Seen {
    /// What the control groups may have above the guests' own memory.
    pub fn overhead_bytes(&self) -> u64 {
        self.groups as u64 * OVERHEAD_BYTES
    }
}

impl Sight {
    /// A machine that is being ended counts until its process is gone.
    pub fn look(&self) -> anyhow::Result<Seen> {
        let mut directories = BTreeSet::new();
        for process in processes()? {
            // Its supervisor's arguments do not name it.
            let is_machine = process.name.contains("stub-guest");
            if let Some(job) = self.job_of(&process.traces).filter(|_| is_machine) {
                directories.insert(job.to_owned());
            }
        }
        let instance = fs::read_to_string(self.home.join("instance")).unwrap_or_default();
        let groups = format!("/sys/fs/cgroup/memory/kiln-{}", instance.trim());
        let limits = fs::read_dir(groups).into_iter().flatten().flatten();
        let limits: Vec<_> = limits.filter_map(|group| limit_of(&group.path())).collect();
        let (groups, memory_bytes) = (limits.len(), limits.iter().sum());
        Ok(Seen { vms: directories.len(), groups, memory_bytes })
    }

    fn job_of<'a>(&self, traces: &'a str) -> Option<&'a str> {
        let (_, rest) = traces.split_once(&self.vms)?;
        rest.split(['/', '\n', ' ']).next()
    }
}

/// Of a group that has a process; an empty one has nothing.
fn limit_of(group: &Path) -> Option<u64> {
    let read = |file: &str| fs::read_to_string(group.join(file)).ok();
    if read("cgroup.procs")?.is_empty() {
        return None;
    }
    read("memory.limit_in_bytes").or_else(|| read("memory.max"))?.trim().parse().ok()
}
