//! What was asked: checked, with every default filled in.

use std::time::Duration;

/// Whose a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    pub tenant: String,
    pub project: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobSpec {
    pub cpus: u32,
    /// Of the command; the VM gets [`JobSpec::machine_memory_bytes`].
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    /// Of the command, from its start.
    pub timeout: Option<Duration>,
    /// The work waits for an attachment.
    pub attach: bool,
    pub work: Work,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    Exec(Exec),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exec {
    /// Never empty.
    pub argv: Vec<String>,
    /// Each name once; the whole environment of the command.
    pub env: Vec<(String, String)>,
    pub workdir: String,
    /// Empty means root.
    pub user: String,
    pub stdin: bool,
}

impl JobSpec {
    /// For the guest's kernel, its agent and the page tables: the command's limit is its own.
    pub const RESERVE_BYTES: u64 = 192 << 20;

    /// What the VM is given, in whole MiB.
    pub fn machine_memory_bytes(&self) -> u64 {
        (self.memory_bytes + Self::RESERVE_BYTES).next_multiple_of(1 << 20)
    }
}
