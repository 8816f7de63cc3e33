//! The end of processes that a dead supervisor left.
//!
//! kilnd says which, and that is no proof: what supervisors wrote down is kilnd's to alter. A process
//! is a machine's of ours if it runs as a user of this daemon's VMs or their gateways, or if it is in the job's cgroup,
//! into which nobody but root puts one of another user.

use std::{fs, io, os::fd::OwnedFd, path::PathBuf};

use kiln_shim::ProcessIdentity;
use rustix::process::{Signal, pidfd_send_signal};

use crate::{Policy, Refusal};

/// SIGKILL to each of them that lives; refused as a whole if one of them is not the job's.
pub(crate) fn kill(
    policy: &Policy,
    cgroups: &[PathBuf],
    processes: &[ProcessIdentity],
) -> Result<(), Refusal> {
    let proven = processes.iter().map(|process| prove(policy, cgroups, *process));
    for pidfd in proven.collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let _gone = pidfd_send_signal(&pidfd, Signal::KILL);
    }
    Ok(())
}

/// `None` for one that is gone.
fn prove(
    policy: &Policy,
    cgroups: &[PathBuf],
    process: ProcessIdentity,
) -> Result<Option<OwnedFd>, Refusal> {
    let pid = process.pid;
    let io = |source: io::Error| Refusal::Io { path: format!("/proc/{pid}").into(), source };
    let Some(pidfd) = process.prove().map_err(io)? else { return Ok(None) };
    // The descriptor was there first: what is read of the number is read of this process, or of one
    // that came later, and then the number means no such process any more.
    let ours = is_in(cgroups, pid)
        || user(pid).is_some_and(|uid| policy.is_vms(uid) || policy.is_gateways(uid));
    match process.prove().map_err(io)? {
        None => Ok(None),
        Some(_) if ours => Ok(Some(pidfd)),
        Some(_) => Err(Refusal::Process { pid }),
    }
}

/// Whether a process is in one of them.
pub(crate) fn is_in(cgroups: &[PathBuf], pid: u32) -> bool {
    let listed = |cgroup: &PathBuf| fs::read_to_string(cgroup.join("cgroup.procs")).ok();
    let mut texts = cgroups.iter().filter_map(listed);
    texts.any(|text| text.lines().any(|line| line.parse() == Ok(pid)))
}

/// `None` unless all four of its user ids are the same.
pub(crate) fn user(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    let ids: Vec<u32> = line.split_whitespace().filter_map(|id| id.parse().ok()).collect();
    match *ids {
        [one, effective, saved, files] => {
            (one == effective && one == saved && one == files).then_some(one)
        }
        _ => None,
    }
}
