//! What a supervisor tells its starter: one line on its stdout, then the end of it.
//!
//! The starter keeps the supervisor's stdin open as a leash until it has said [`COMMITTED`] on it:
//! one that dies or gives up before that leaves no machine behind.

use kiln_jail::LaunchFailure;
use serde::{Deserialize, Serialize};

use crate::{Child, End, ProcessIdentity};

pub const COMMITTED: &[u8] = b"committed\n";

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Every program was started.
    Ready { process: ProcessIdentity, children: Vec<Child> },
    /// Nothing runs.
    Failed(StartFailure),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum StartFailure {
    #[error("the order is invalid: {reason}")]
    Order { reason: String },
    #[error("{program} could not be started")]
    Spawn { program: String, errno: i32 },
    #[error("{program} could not be shut in: {failure}")]
    Jail { program: String, failure: LaunchFailure },
    #[error("{program} ended before {socket} was there")]
    Ended { program: String, socket: String, end: End, stderr: String },
    #[error("{socket} was not there in time")]
    Silent { socket: String, stderr: String },
    #[error("{what} cannot be used")]
    Io { what: String, errno: i32 },
    #[error(
        "the machine has a network in its order and was given no {name}: only the helper, which makes networks, gives it"
    )]
    NotGiven { name: String },
    /// Another supervisor lives in the directory.
    #[error("the directory has a supervisor")]
    Taken,
}

impl StartFailure {
    pub(crate) fn launch(program: String, failure: LaunchFailure) -> Self {
        match failure {
            LaunchFailure::Exec { errno, .. } => Self::Spawn { program, errno },
            LaunchFailure::Cgroup { directory, errno } => {
                let what = format!("the cgroup {}", directory.display());
                Self::Io { what, errno }
            }
            failure => Self::Jail { program, failure },
        }
    }
}
