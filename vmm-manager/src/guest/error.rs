//! What can go wrong between the host and an agent.

use std::{error::Error, fmt, io, path::PathBuf, time::Duration};

use tonic::{Code, Status};

use super::{
    said::Said,
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
    Agent { phase: &'static str, code: AgentCode, message: String },
    #[error("the machine ended during {phase}: {exit}{serial}")]
    MachineExited { phase: &'static str, exit: VmExit, serial: SerialTail },
    #[error("the vsock socket {path} cannot be used")]
    Socket { path: PathBuf, source: io::Error },
    #[error("no randomness for the guest")]
    Entropy { source: io::Error },
}

/// What kind of error an agent answered with. The first five mean something in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentCode {
    /// To a hello: another secret than the first one's, so this is not our guest.
    PermissionDenied,
    /// To an exec: what was asked for is no more, or was never there: the output before the asked
    /// offset is forgotten, or the id belongs to another command.
    FailedPrecondition,
    /// To an exec: a later stream has taken the command over.
    Aborted,
    /// The agent holds as much as it can.
    ResourceExhausted,
    /// To the engine's start: the guest's image has none.
    Unavailable,
    /// By its name.
    Other(&'static str),
}

impl From<Code> for AgentCode {
    fn from(code: Code) -> Self {
        match code {
            Code::PermissionDenied => Self::PermissionDenied,
            Code::FailedPrecondition => Self::FailedPrecondition,
            Code::Aborted => Self::Aborted,
            Code::ResourceExhausted => Self::ResourceExhausted,
            Code::Unavailable => Self::Unavailable,
            code => Self::Other(code.description()),
        }
    }
}

impl fmt::Display for AgentCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::PermissionDenied => Code::PermissionDenied.description(),
            Self::FailedPrecondition => Code::FailedPrecondition.description(),
            Self::Aborted => Code::Aborted.description(),
            Self::ResourceExhausted => Code::ResourceExhausted.description(),
            Self::Unavailable => Code::Unavailable.description(),
            Self::Other(name) => name,
        })
    }
}

impl GuestError {
    /// A connection that is lost or silent because its machine is gone says so: waits up to `limit`
    /// for the machine's end, which the host may learn a moment after the stream's.
    pub async fn explained_by(self, machine: &dyn Machine, limit: Duration) -> Self {
        let (Self::Lost { phase, .. } | Self::Silent { phase, .. }) = &self else { return self };
        match tokio::time::timeout(limit, machine.wait()).await {
            Ok(exit) => Self::MachineExited { phase, exit, serial: machine.serial().await },
            Err(_) => self,
        }
    }
}

/// What the client library reports: either the connection failed, and it says with a source why, or
/// it passes on what the agent said, or it found something wrong with an answer.
pub(super) fn of_status(phase: &'static str, status: &Status, said: &Said) -> GuestError {
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
    let message = text::bounded(status.message(), CHARACTERS);
    if said.failed() {
        GuestError::Agent { phase, code: status.code().into(), message }
    } else {
        GuestError::Protocol { what: message }
    }
}
