//! Why a command did not run, and the exit status that docker documents for it.

use std::{error::Error, io};

use rustix::io::Errno;

use crate::{environment::InvalidVariable, identity::InvalidUser, signal::InvalidSignal};

/// Of docker itself, and so of the init: the command was never reached.
pub const FAILED: u8 = 125;
/// The command is there and can't be run.
pub const CANNOT_RUN: u8 = 126;
/// The command isn't there.
pub const NOT_FOUND: u8 = 127;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("there is no command to run")]
    NoCommand,
    #[error("{0:?} contains a zero byte")]
    Zero(String),
    #[error(transparent)]
    User(#[from] InvalidUser),
    #[error(transparent)]
    Variable(#[from] InvalidVariable),
    #[error(transparent)]
    Signal(#[from] InvalidSignal),
    #[error("{path} cannot be read")]
    Unreadable { path: &'static str, source: io::Error },
    #[error("working directory {path:?} cannot be made")]
    Directory { path: String, source: io::Error },
    #[error("working directory {path:?} cannot be entered")]
    Enter { path: String, source: Errno },
    #[error("no process can be made")]
    Process(#[source] io::Error),
    #[error("user {user} and its groups cannot be taken on")]
    Identity { user: u32, source: Errno },
    #[error("exec: {program:?}: executable file not found in $PATH")]
    NotFound { program: String },
    #[error("exec: {program:?}")]
    Execute { program: String, source: Errno },
}

impl Cause {
    pub(crate) fn status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => NOT_FOUND,
            // The kernel says so of the program, of its interpreter, and of what is on the way.
            Self::Execute { source, .. } if is_missing(*source) => NOT_FOUND,
            Self::Execute { .. } | Self::Enter { source: Errno::ACCESS, .. } => CANNOT_RUN,
            Self::Enter { .. }
            | Self::NoCommand
            | Self::Zero(_)
            | Self::User(_)
            | Self::Variable(_)
            | Self::Signal(_)
            | Self::Unreadable { .. }
            | Self::Directory { .. }
            | Self::Process(_)
            | Self::Identity { .. } => FAILED,
        }
    }
}

fn is_missing(errno: Errno) -> bool {
    matches!(errno, Errno::NOENT | Errno::NOTDIR)
}

/// An error and all that led to it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message.push_str(": ");
        message.push_str(&error.to_string());
        source = error.source();
    }
    message
}
