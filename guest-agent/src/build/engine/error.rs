//! Why there is no engine.

use std::{error::Error, io, path::PathBuf, time::Duration};

use tonic::Status;

use super::processes::Who;
use crate::{disks::NoDisk, exec::Refusal, reaper::ExitStatus};

#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    #[error("the machine is not this agent's: no engine is started on it")]
    NotHere,
    #[error("this guest image builds nothing: it has no {}", .0.display())]
    NotInstalled(PathBuf),
    #[error("the disk of the engine's state cannot be found")]
    Disk(#[from] NoDisk),
    #[error("the disk of the engine's state cannot be mounted on {}", directory.display())]
    Mount { directory: PathBuf, source: io::Error },
    #[error("the engine's control groups cannot be made")]
    Groups(#[source] io::Error),
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{} is no JSON object, which an engine's settings are", path.display())]
    Settings { path: PathBuf, source: serde_json::Error },
    #[error("the engine cannot be started")]
    Start(#[from] Refusal),
    #[error("no thread can be had to start the engine")]
    Thread(#[source] io::Error),
    #[error("{who} has ended with {status:?} before the engine was ready{words}")]
    Ended { who: Who, status: ExitStatus, words: String },
    #[error("{who} has not answered in {limit:?}{words}")]
    Silent { who: Who, limit: Duration, words: String },
    #[error("the engine answers with {what}{words}")]
    Answer { what: String, words: String },
    #[error("the engine's containerd cannot be reached{words}")]
    Store { words: String, source: io::Error },
    #[error(
        "the engine keeps images its own way and not in containerd's store, without which it exports \
         too little{words}"
    )]
    NoContainerdStore { words: String },
    #[error("the agent has lost the engine's start")]
    Panicked,
}

impl From<&EngineError> for Status {
    fn from(error: &EngineError) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        match error {
            EngineError::NotHere | EngineError::NotInstalled(_) => Self::unavailable(message),
            EngineError::Disk(_)
            | EngineError::Mount { .. }
            | EngineError::Groups(_)
            | EngineError::Write { .. }
            | EngineError::Settings { .. }
            | EngineError::Start(_)
            | EngineError::Thread(_)
            | EngineError::Ended { .. }
            | EngineError::Silent { .. }
            | EngineError::Answer { .. }
            | EngineError::Store { .. }
            | EngineError::NoContainerdStore { .. }
            | EngineError::Panicked => Self::internal(message),
        }
    }
}
