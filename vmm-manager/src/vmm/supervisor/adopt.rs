//! What an earlier daemon's supervisor says, once it is proven to be that.

use std::{io, path::Path, time::Duration};

use kiln_shim::{Ask, Body, ExitRecord, MAJOR, RecordError, ShimRecord, boot_id};

use tokio::time::timeout;

use super::{
    SupervisedEnd, Supervision,
    client::{Link, LinkError},
    process::{Proven, sweep},
};
use crate::{host::cgroup::Cgroup, vmm::AdoptError};

/// For a supervisor that is ending to be gone.
const PARTING: Duration = Duration::from_secs(2);

/// What a directory holds.
#[derive(Debug)]
pub enum Found {
    Running(Supervision),
    /// All of its processes are gone.
    Ended(SupervisedEnd),
}

impl Supervision {
    /// Takes up the machine in `directory`, which a daemon of the same home started with the same
    /// driver. Its supervisor is proven: the boot, the home, the process with its start time, and
    /// that this very process listens at the socket.
    ///
    /// Must be called within a runtime, on which the machine is overseen.
    ///
    /// # Cancel safety
    /// Safe: the machine runs on.
    pub async fn adopt(
        directory: &Path,
        instance: &str,
        driver: &str,
    ) -> Result<Found, AdoptError> {
        let record = record(directory, instance)?;
        if record.driver != driver {
            let what = format!("a machine of the driver {}", record.driver);
            return Err(AdoptError::Foreign { what });
        }
        let io = |source| AdoptError::Io { what: "the supervisor", source };
        if boot_id().map_err(io)? != record.boot_id {
            // Nothing lives through a boot.
            return Ok(Found::Ended(recorded(directory, &record)));
        }
        let Some(process) = Proven::find(record.process).map_err(io)? else {
            return gone(directory, &record).await;
        };
        let mut link = match Link::open(directory, instance, Some(record.process)).await {
            Ok(link) => link,
            Err(LinkError::Version { theirs }) => {
                return Err(AdoptError::Version { ours: MAJOR, theirs });
            }
            Err(LinkError::Foreign { what }) => return Err(AdoptError::Foreign { what }),
            Err(error @ (LinkError::Dead | LinkError::Silent | LinkError::Io(_))) => {
                return unheard(directory, &record, &process, error).await;
            }
        };
        match link.ask(Ask::Status).await {
            Ok(Body::Status(status)) => {
                if let Some(exit) = status.ended {
                    let _goes_by_itself = link.ask(Ask::Done).await;
                    return Ok(Found::Ended(SupervisedEnd::Ended(exit)));
                }
                let cgroup = Cgroup::recorded(&record.cgroups, instance);
                let proven = (record.process, process);
                let name = &record.name;
                let children = status.children;
                let supervision = Self::over(directory, instance, name, proven, children, cgroup);
                Ok(Found::Running(supervision))
            }
            Ok(other) => Err(io(io::Error::other(format!("it answers {other:?}")))),
            Err(error) => unheard(directory, &record, &process, error).await,
        }
    }
}

/// A supervisor that does not answer may be on its way out.
async fn unheard(
    directory: &Path,
    record: &ShimRecord,
    process: &Proven,
    error: LinkError,
) -> Result<Found, AdoptError> {
    match timeout(PARTING, process.ended()).await {
        Ok(()) => gone(directory, record).await,
        Err(_) => {
            let source = io::Error::other(error);
            Err(AdoptError::Io { what: "the supervisor does not answer", source })
        }
    }
}

/// The record of a supervisor of this home.
fn record(directory: &Path, instance: &str) -> Result<ShimRecord, AdoptError> {
    let record = match ShimRecord::read(directory) {
        Ok(record) => record,
        Err(RecordError::Absent) => return Err(AdoptError::Nothing),
        Err(RecordError::Version { theirs }) => {
            return Err(AdoptError::Version { ours: MAJOR, theirs });
        }
        Err(RecordError::Io(source)) => {
            return Err(AdoptError::Io { what: "the supervisor's record", source });
        }
        Err(RecordError::Garbled) => {
            let what = "the supervisor's record is not understood".to_owned();
            return Err(AdoptError::Foreign { what });
        }
    };
    if record.instance == instance {
        return Ok(record);
    }
    Err(AdoptError::Foreign { what: "the supervisor is of another home".to_owned() })
}

/// Of a supervisor that died: whoever of its programs the kernel did not reach is ended.
async fn gone(directory: &Path, record: &ShimRecord) -> Result<Found, AdoptError> {
    let cgroup = Cgroup::recorded(&record.cgroups, &record.instance);
    match sweep(&record.name, &record.children, cgroup.as_ref(), record.process).await {
        Ok(_) => Ok(Found::Ended(recorded(directory, record))),
        Err(child) => {
            let source = io::Error::other(format!("process {} survives", child.process.pid));
            Err(AdoptError::Io { what: "what is left of the machine", source })
        }
    }
}

fn recorded(directory: &Path, record: &ShimRecord) -> SupervisedEnd {
    match ExitRecord::read(directory) {
        Ok(exit) if exit.process == record.process => SupervisedEnd::Ended(exit),
        _ => SupervisedEnd::Lost { killed: false },
    }
}
