//! Why a build that is one was not begun.

use std::{io, sync::Arc};

use kiln_proto::agent::v1::exec_refused::Reason;

use super::{engine::EngineError, export::NoExport};
use crate::{command::InvalidCommand, emulation::EmulationError};

#[derive(Debug, thiserror::Error)]
pub(crate) enum NotBegun {
    #[error("the engine was not asked for: StartEngine comes first")]
    NoEngine,
    #[error("there is no engine")]
    Engine(#[source] Arc<EngineError>),
    #[error("{0}")]
    EngineEnded(String),
    #[error(transparent)]
    Platform(#[from] EmulationError),
    #[error("the engine gives no step more rights than it has: `security.insecure` is not allowed")]
    Insecure,
    #[error("the build's files cannot be made")]
    Files(#[source] io::Error),
    #[error(transparent)]
    Export(#[from] NoExport),
    #[error("the engine's client cannot be told")]
    Command(#[source] InvalidCommand),
}

impl NotBegun {
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::NoEngine | Self::Command(_) | Self::Export(NoExport::Disk(_)) => Reason::Invalid,
            Self::Platform(EmulationError::Missing { .. }) | Self::Insecure => Reason::Unsupported,
            Self::Engine(error) => match **error {
                EngineError::NotHere | EngineError::NotInstalled(_) => Reason::Unsupported,
                _ => Reason::Agent,
            },
            Self::Platform(_)
            | Self::EngineEnded(_)
            | Self::Files(_)
            | Self::Export(NoExport::Pipe { .. }) => Reason::Agent,
        }
    }
}
