//! Ends what an earlier daemon of this home left in a VM's directory.
//!
//! ```text
//! shim.json ──▶ of this home? ──▶ of this boot? ──▶ its supervisor, by pid and start time
//!                                                     │ there                 │ gone
//!                                      its own socket is answered             │
//!                                      by nobody else ──▶ SIGTERM, SIGKILL ───┴──▶ its programs,
//!                                                                                  each proven, and
//!                                                                                  who is in its
//!                                                                                  cgroup
//! ```
//!
//! Every signal goes through a descriptor that was proven to mean the process on record.

use std::{io, path::Path, time::Duration};

use kiln_shim::{Ask, Body, RecordError, Traces, boot_id};
use tokio::time::timeout;

use super::supervisor::{Link, LinkError, Proven, sweep};
use crate::host::cgroup::Cgroup;

/// For a supervisor to end its machine in order.
const TERMINATE_LIMIT: Duration = Duration::from_secs(5);
/// For the kernel to take a killed process down.
const KILL_LIMIT: Duration = Duration::from_secs(20);

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaped {
    /// Nothing lives that the directory speaks of.
    Nothing,
    /// Processes were found, proven to be ours, and are gone.
    Ended,
    /// What lives can't be proven to be ours, and was left alone.
    NotOurs,
}

#[derive(Debug, thiserror::Error)]
pub enum ReapError {
    #[error("process {pid} of {name} survives SIGKILL: the host's kernel holds it")]
    Survives { name: String, pid: u32 },
    #[error("{what}")]
    Io { what: &'static str, source: io::Error },
}

/// Ends the supervisor and the processes that `directory` speaks of, each one proven first. The
/// directory itself is its owner's to remove.
///
/// # Cancel safety
/// Safe: it can be done again.
pub async fn reap(directory: &Path, instance: &str) -> Result<Reaped, ReapError> {
    let record = match Traces::read(directory) {
        Ok(record) => record,
        Err(RecordError::Absent | RecordError::Garbled | RecordError::Version { .. }) => {
            return Ok(without_record(directory, instance).await);
        }
        Err(RecordError::Io(source)) => {
            return Err(ReapError::Io { what: "the supervisor's record", source });
        }
    };
    let failed = |source| ReapError::Io { what: "the supervisor", source };
    if record.instance != instance {
        return Ok(Reaped::NotOurs);
    }
    if record.boot_id != boot_id().map_err(failed)? {
        return Ok(Reaped::Nothing);
    }
    let Some(supervisor) = Proven::find(record.process).map_err(failed)? else {
        return swept(directory, &record, Reaped::Nothing).await;
    };
    // Of another release, dead, silent or broken off: then the record, the boot and the start time
    // are the proof.
    if let Err(LinkError::Foreign { .. }) =
        Link::open(directory, instance, Some(record.process)).await
    {
        return Ok(Reaped::NotOurs);
    }
    supervisor.terminate();
    if timeout(TERMINATE_LIMIT, supervisor.ended()).await.is_err() {
        supervisor.kill();
        if timeout(KILL_LIMIT, supervisor.ended()).await.is_err() {
            let pid = record.process.pid;
            return Err(ReapError::Survives { name: "kiln-shim".to_owned(), pid });
        }
    }
    swept(directory, &record, Reaped::Ended).await
}

/// The programs of a supervisor that is gone.
async fn swept(directory: &Path, record: &Traces, otherwise: Reaped) -> Result<Reaped, ReapError> {
    let cgroup = Cgroup::recorded(&record.cgroups, &record.instance);
    // It is called like its job, which a record of another release may say differently.
    let job = directory.file_name().unwrap_or_default().to_string_lossy();
    match sweep(&job, &record.children, cgroup.as_ref(), record.process).await {
        Ok(true) => Ok(Reaped::Ended),
        Ok(false) => Ok(otherwise),
        Err(child) => Err(ReapError::Survives { name: child.name, pid: child.process.pid }),
    }
}

/// Without a record nobody is signalled. A supervisor that answers to our home's name at the
/// socket, and is the process that it says it is, is asked.
async fn without_record(directory: &Path, instance: &str) -> Reaped {
    let mut link = match Link::open(directory, instance, None).await {
        Ok(link) => link,
        Err(LinkError::Dead) => return Reaped::Nothing,
        Err(_) => return Reaped::NotOurs,
    };
    let Ok(Some(supervisor)) = Proven::find(link.greeting().process) else {
        return Reaped::NotOurs;
    };
    match timeout(TERMINATE_LIMIT, link.ask(Ask::Kill)).await {
        Ok(Ok(Body::Ended(_))) => {}
        _ => return Reaped::NotOurs,
    }
    let _goes_by_itself = link.ask(Ask::Done).await;
    match timeout(TERMINATE_LIMIT, supervisor.ended()).await {
        Ok(()) => Reaped::Ended,
        Err(_) => Reaped::NotOurs,
    }
}
