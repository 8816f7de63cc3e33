//! What a VM takes of its host while somebody looks.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_tests::{Host, VmProcess};
use tokio::time::{Instant, sleep};

use super::group::Group;

const PAUSE: Duration = Duration::from_millis(50);

/// The most that was seen, and the time that went by and was used.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watched {
    pub(super) memory_bytes: u64,
    /// Processes and threads.
    pub(super) tasks: u64,
    /// Of the host's disk: the VM's directory.
    pub(super) disk_bytes: u64,
    pub(super) wall: Duration,
    pub(super) cpu_time: Duration,
}

/// Looks for so long, and that all of the VM is in its group all the time.
pub(super) async fn watch(
    host: &Host,
    group: &Group,
    directory: &Path,
    length: Duration,
) -> anyhow::Result<Watched> {
    let (start, used) = (Instant::now(), group.cpu_time()?);
    let mut watched = Watched::default();
    while start.elapsed() < length {
        watched.memory_bytes = watched.memory_bytes.max(group.memory_bytes()?);
        watched.tasks = watched.tasks.max(group.tasks()?);
        watched.disk_bytes = watched.disk_bytes.max(disk_bytes(directory)?);
        all_are_in(host, group)?;
        sleep(PAUSE).await;
    }
    // The time is read before the clock, so that what is used in between is not held against it.
    watched.cpu_time = group.cpu_time()?.saturating_sub(used);
    watched.wall = start.elapsed();
    Ok(watched)
}

/// The emulator and its bridge are in the group, in each hierarchy, and nobody is in it who is not
/// of the VM.
fn all_are_in(host: &Host, group: &Group) -> anyhow::Result<()> {
    let processes = host.vm_processes()?;
    let supervisors = host.supervisors()?;
    let of_vm: Vec<&VmProcess> =
        processes.iter().filter(|process| !supervisors.contains(&process.id)).collect();
    for program in ["qemu-system", "vhost-device-vsock"] {
        let is_there = of_vm.iter().any(|process| process.command.contains(program));
        ensure!(is_there, "no {program} among {processes:?}");
    }
    for members in group.members()? {
        for process in &of_vm {
            ensure!(members.contains(&process.id), "{process:?} is not among {members:?}");
        }
        let strangers: Vec<_> =
            members.iter().filter(|id| !of_vm.iter().any(|process| process.id == **id)).collect();
        ensure!(strangers.is_empty(), "{strangers:?} are none of {of_vm:?}");
    }
    Ok(())
}

/// What is allocated, which for a disk with holes is less than its size.
fn disk_bytes(directory: &Path) -> anyhow::Result<u64> {
    let entries = fs::read_dir(directory).context("the VM's directory")?;
    let mut bytes = 0;
    for entry in entries {
        // A file that is written anew has another name at first.
        let Ok(metadata) = entry?.metadata() else { continue };
        if metadata.is_file() {
            bytes += metadata.blocks() * 512;
        }
    }
    Ok(bytes)
}
