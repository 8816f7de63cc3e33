//! What the processes in a cgroup may have together.

use std::{fs, path::Path};

use serde::{Deserialize, Serialize};

use super::CgroupError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CgroupLimits {
    /// Of all kinds that the kernel charges: the guest's memory, the VMM's own, and the pages of
    /// files that they read and wrote, which go first when it becomes tight. A multiple of 4 KiB.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// How many processors it may keep busy, and its weight where more is wanted than there is.
    pub cpus: u32,
}

/// How the kernel counts: so much time in each period.
const PERIOD_MICROS: u64 = 100_000;
/// Weights of one processor, in version 1 and in version 2.
const CPU_SHARES: u64 = 1024;
const CPU_WEIGHT: u64 = 100;
/// What both versions allow at most.
const MOST_SHARES: u64 = 262_144;
const MOST_WEIGHT: u64 = 10_000;
/// All VMs alike: what one wants of a disk is no matter of its size.
const IO_WEIGHT: u64 = 100;
/// Beside those that the guest has: for disks, the bridge and the console.
const VMM_CPUS: u32 = 1;

/// A VMM's own threads: workers for disks (QEMU has up to 64), the bridge, what a library starts.
const THREADS: u32 = 256;

impl CgroupLimits {
    /// For a machine with so much memory, whose VMM needs `overhead_bytes` beside it.
    pub fn for_machine(memory_bytes: u64, overhead_bytes: u64, cpus: u32) -> Self {
        Self {
            memory_bytes: memory_bytes + overhead_bytes,
            pids: THREADS + cpus,
            cpus: cpus + VMM_CPUS,
        }
    }

    /// Sets what `directory` has of the controllers.
    pub(super) fn set(self, directory: &Path) -> Result<(), CgroupError> {
        let Self { memory_bytes, pids, cpus } = self;
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
            set(directory, "pids.max", pids.into())?;
        }
        processors(directory, cpus)?;
        disks(directory)
    }
}

/// The memory that those in `directory` may have.
pub fn memory_limit_bytes(directory: &Path) -> Option<u64> {
    let read = |name: &str| fs::read_to_string(directory.join(name)).ok();
    let text = read("memory.max").or_else(|| read("memory.limit_in_bytes"))?;
    text.trim().parse().ok()
}

fn processors(directory: &Path, cpus: u32) -> Result<(), CgroupError> {
    let is_there = |name: &str| directory.join(name).exists();
    let quota = u64::from(cpus) * PERIOD_MICROS;
    if is_there("cpu.cfs_quota_us") {
        set(directory, "cpu.cfs_period_us", PERIOD_MICROS)?;
        set(directory, "cpu.cfs_quota_us", quota)?;
    }
    if is_there("cpu.shares") {
        set(directory, "cpu.shares", (u64::from(cpus) * CPU_SHARES).min(MOST_SHARES))?;
    }
    if is_there("cpu.max") {
        let both = format!("{quota} {PERIOD_MICROS}");
        write(directory, "cpu.max", &both)?;
        read_back_text(directory, "cpu.max", quota, &both)?;
    }
    if is_there("cpu.weight") {
        set(directory, "cpu.weight", (u64::from(cpus) * CPU_WEIGHT).min(MOST_WEIGHT))?;
    }
    Ok(())
}

/// A weight counts where the disk's scheduler knows it; limits by device are not for who does not
/// know what his disks are.
fn disks(directory: &Path) -> Result<(), CgroupError> {
    for name in ["blkio.weight", "blkio.bfq.weight"] {
        if directory.join(name).exists() {
            set(directory, name, IO_WEIGHT)?;
        }
    }
    for name in ["io.weight", "io.bfq.weight"] {
        if directory.join(name).exists() {
            write(directory, name, &format!("default {IO_WEIGHT}"))?;
            let first = fs::read_to_string(directory.join(name)).unwrap_or_default();
            let first = first.lines().next().unwrap_or_default().trim();
            // The second one says it without the word where no device has its own.
            if first.trim_start_matches("default ") != IO_WEIGHT.to_string() {
                let (path, actual) = (directory.join(name), first.to_owned());
                return Err(CgroupError::ReadBack { path, asked: IO_WEIGHT, actual });
            }
        }
    }
    Ok(())
}

fn set(directory: &Path, name: &str, value: u64) -> Result<(), CgroupError> {
    write(directory, name, &value.to_string())?;
    read_back(directory, name, value)
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
    read_back_text(directory, name, asked, &asked.to_string())
}

fn read_back_text(
    directory: &Path,
    name: &str,
    asked: u64,
    expected: &str,
) -> Result<(), CgroupError> {
    let path = directory.join(name);
    let actual = fs::read_to_string(&path).unwrap_or_default();
    if actual.trim() == expected {
        return Ok(());
    }
    Err(CgroupError::ReadBack { path, asked, actual: actual.trim().to_owned() })
}
