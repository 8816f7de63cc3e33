//! What can go wrong between the host and an agent.

use std::{error::Error, io, path::PathBuf, time::Duration};

use tonic::Status;

use super::{
    text::{self, MESSAGE_CHARACTERS as CHARACTERS},
    wire::PING_TIMEOUT,
};
use crate::vmm::{Machine, SerialTail, VmExit};

/// Why a conversation with a guest failed. Text of the guest's is bounded and without control
/// characters.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    #[error("the guest gave no answer to {phase} within {limit:?}")]
    Silent { phase: &'static str, limit: Duration },
    #[error("the connection to the guest was lost during {phase}: {cause}")]
    Lost { phase: &'static str, cause: String },
    /// The guest broke the rules: a fault of its agent, or an attack.
    #[error("the guest broke its protocol: {what}")]
    Protocol { what: String },
    #[error(
        "the guest's agent speaks another protocol version than this kilnd, which speaks {ours}: \
         {theirs}; use a guest image that was built with this kilnd"
    )]
    Version { ours: u32, theirs: String },
    /// The agent answered with an error of its own.
    #[error("the guest's agent answered {phase} with {code}: {message}")]
    Agent { phase: &'static str, code: &'static str, message: String },
    #[error("the machine ended during {phase}: {exit}{serial}")]
    MachineExited { phase: &'static str, exit: VmExit, serial: SerialTail },
    #[error("the vsock socket {path} cannot be used")]
    Socket { path: PathBuf, source: io::Error },
    #[error("no randomness for the guest")]
    Entropy { source: io::Error },
}

impl GuestError {
    /// A connection that is lost or silent because its machine is gone says so: waits up to `limit`
    /// for the machine's end, which the host may learn a moment after the stream's.
    pub async fn explained_by(self, machine: &dyn Machine, limit: Duration) -> Self {
        let (Self::Lost { phase, .. } | Self::Silent { phase, .. }) = &self else { return self };
        match tokio::time::timeout(limit, machine.wait()).await {
            Ok(exit) => Self::MachineExited { phase, exit, serial: machine.serial() },
            Err(_) => self,
        }
    }
}

/// What the client library reports: either it failed itself, and says with a source why, or it
/// passes on what the agent answered.
pub(super) fn of_status(phase: &'static str, status: &Status) -> GuestError {
    let mut cause: Option<&(dyn Error + 'static)> = status.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && error.is_timeout()
        {
            return GuestError::Silent { phase, limit: PING_TIMEOUT };
        }
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && error.is_library()
        {
            return GuestError::Protocol { what: text::bounded(&error.to_string(), CHARACTERS) };
        }
        if error.source().is_none() {
            return GuestError::Lost {
                phase,
                cause: text::bounded(&error.to_string(), CHARACTERS),
            };
        }
        cause = error.source();
    }
    GuestError::Agent {
        phase,
        code: status.code().description(),
        message: text::bounded(status.message(), CHARACTERS),
    }
}
