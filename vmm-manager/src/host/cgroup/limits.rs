//! What the processes in a cgroup may have together.

use std::{fs, path::Path};

use super::CgroupError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CgroupLimits {
    /// Of all kinds that the kernel charges: the guest's memory, the VMM's own, and the pages of
    /// files that they read and wrote, which go first when it becomes tight. A multiple of 4 KiB.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

/// A VMM's own threads: workers for disks (QEMU has up to 64), the bridge, what a library starts.
const THREADS: u32 = 256;

impl CgroupLimits {
    /// For a machine with so much memory, whose VMM needs `overhead_bytes` beside it.
    pub fn for_machine(memory_bytes: u64, overhead_bytes: u64, cpus: u32) -> Self {
        Self { memory_bytes: memory_bytes + overhead_bytes, pids: THREADS + cpus }
    }

    /// Sets what `directory` has of the controllers.
    pub(super) fn set(self, directory: &Path) -> Result<(), CgroupError> {
        let Self { memory_bytes, pids } = self;
        let memory = memory_bytes.to_string();
        let is_there = |name: &str| directory.join(name).exists();
        // Of version 1; without swap in the kernel the second one is not there.
        if is_there("memory.limit_in_bytes") {
            write(directory, "memory.limit_in_bytes", &memory)?;
            if is_there("memory.memsw.limit_in_bytes") {
                write(directory, "memory.memsw.limit_in_bytes", &memory)?;
            }
            read_back(directory, "memory.limit_in_bytes", memory_bytes)?;
        }
        if is_there("memory.max") {
            write(directory, "memory.max", &memory)?;
            if is_there("memory.swap.max") {
                write(directory, "memory.swap.max", "0")?;
            }
            // Half a machine is of no use.
            if is_there("memory.oom.group") {
                write(directory, "memory.oom.group", "1")?;
            }
            read_back(directory, "memory.max", memory_bytes)?;
        }
        if is_there("pids.max") {
            write(directory, "pids.max", &pids.to_string())?;
            read_back(directory, "pids.max", pids.into())?;
        }
        Ok(())
    }
}

fn write(directory: &Path, name: &str, value: &str) -> Result<(), CgroupError> {
    let path = directory.join(name);
    fs::write(&path, value).map_err(|source| CgroupError::Set {
        path,
        value: value.to_owned(),
        source,
    })
}

fn read_back(directory: &Path, name: &str, asked: u64) -> Result<(), CgroupError> {
    let path = directory.join(name);
    let actual = fs::read_to_string(&path).unwrap_or_default();
    if actual.trim() == asked.to_string() {
        return Ok(());
    }
    Err(CgroupError::ReadBack { path, asked, actual: actual.trim().to_owned() })
}
