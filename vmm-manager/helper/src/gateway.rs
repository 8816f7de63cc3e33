//! The gateway of a machine that an earlier helper started, and the namespace that it is in.

use std::{io, path::PathBuf};

use kiln_net::namespace::Namespace;
use kiln_shim::ProcessIdentity;

use crate::{Policy, Refusal, epolls::FileRights, kill};

/// Refused unless it is a process of one of this daemon's gateways, in the job's cgroup, where it
/// has any. That the namespace is the job's is another's to see.
pub(crate) fn namespace(
    policy: &Policy,
    cgroups: &[PathBuf],
    process: ProcessIdentity,
) -> Result<Namespace, Refusal> {
    let pid = process.pid;
    let io = |source: io::Error| Refusal::Io { path: format!("/proc/{pid}").into(), source };
    // The descriptor holds the number, as long as the process has not been waited for.
    let _pidfd = process.prove().map_err(io)?.ok_or(Refusal::Process { pid })?;
    let uid = kill::user(pid).filter(|uid| policy.is_gateways(*uid));
    let uid = uid.ok_or(Refusal::Process { pid })?;
    if !cgroups.is_empty() && !kill::is_in(cgroups, pid) {
        return Err(Refusal::Process { pid });
    }
    let namespace = {
        let _theirs = FileRights::of(uid);
        Namespace::of_process(pid).map_err(io)?
    };
    // It was this process all along, and not one that came to its number meanwhile.
    match process.prove().map_err(io)? {
        Some(_) => Ok(namespace),
        None => Err(Refusal::Process { pid }),
    }
}
