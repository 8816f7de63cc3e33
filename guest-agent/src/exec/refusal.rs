//! Why a command was not started.

use std::{ffi::CString, io};

use kiln_proto::agent::v1::{ExecRefused, exec_refused::Reason};
use rustix::io::Errno;

use crate::{
    build::{NoBuild, NotBegun},
    command::{Command, InvalidCommand},
    machine::{InvalidProbe, NotBooted},
    process::{Failure, Stage},
    user::UnknownUser,
};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("{program:?} was not found{where_}")]
    NotFound { program: CString, where_: &'static str },
    #[error("{path:?} cannot be executed: {why}")]
    NotExecutable { path: CString, why: String },
    #[error("the working directory {directory:?} cannot be entered: {errno}")]
    BadWorkdir { directory: CString, errno: Errno },
    #[error(transparent)]
    UnknownUser(#[from] UnknownUser),
    #[error(transparent)]
    Invalid(#[from] InvalidCommand),
    #[error("no build: {0}")]
    NoBuild(#[from] NoBuild),
    #[error("no build: {0}")]
    NotBegun(#[from] NotBegun),
    #[error("nothing was booted")]
    NoProbe(#[from] InvalidProbe),
    #[error("nothing was booted")]
    NotBooted(#[source] NotBooted),
    #[error("arguments and environment are larger than the kernel allows")]
    TooLarge,
    #[error("the agent could not {what}")]
    Agent { what: &'static str, source: io::Error },
}

impl Refusal {
    /// What a child's own report means.
    pub(super) fn from_failure(failure: Failure, command: &Subject) -> Self {
        let errno = Errno::from_raw_os_error(failure.errno);
        let path = || {
            let tried = command.candidates.get(usize::from(failure.candidate));
            tried.unwrap_or(&command.program).clone()
        };
        match (failure.stage, errno) {
            (Stage::Prepare, _) => {
                Self::Agent { what: "prepare the process", source: errno.into() }
            }
            (Stage::WorkingDirectory, _) => {
                Self::BadWorkdir { directory: command.working_directory.clone(), errno }
            }
            (Stage::Interpreter, _) => Self::NotExecutable {
                path: path(),
                why: "the interpreter that it names is not there".to_owned(),
            },
            (Stage::Execute, Errno::NOENT | Errno::NOTDIR) => Self::NotFound {
                program: command.program.clone(),
                where_: if command.program.to_bytes().contains(&b'/') { "" } else { " in PATH" },
            },
            (Stage::Execute, Errno::TOOBIG) => Self::TooLarge,
            (Stage::Execute, Errno::NOMEM | Errno::AGAIN | Errno::IO | Errno::MFILE) => {
                Self::Agent { what: "execute the program", source: errno.into() }
            }
            (Stage::Execute, Errno::NOEXEC) => Self::NotExecutable {
                path: path(),
                why: "neither a program for this machine nor a script with a #! line".to_owned(),
            },
            (Stage::Execute, Errno::ACCESS) => Self::NotExecutable {
                path: path(),
                why: "a directory, or not executable for this user".to_owned(),
            },
            (Stage::Execute, errno) => Self::NotExecutable { path: path(), why: errno.to_string() },
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::NotFound { .. } => Reason::NotFound,
            Self::NotExecutable { .. } => Reason::NotExecutable,
            Self::BadWorkdir { .. } => Reason::BadWorkdir,
            Self::UnknownUser(_) => Reason::UnknownUser,
            Self::NoBuild(NoBuild::PartsLost) => Reason::PartsLost,
            Self::Invalid(_) | Self::TooLarge | Self::NoBuild(_) | Self::NoProbe(_) => {
                Reason::Invalid
            }
            Self::NotBegun(why) => why.reason(),
            Self::NotBooted(why) => why.reason(),
            Self::Agent { .. } => Reason::Agent,
        }
    }
}

/// What a refusal speaks of.
#[derive(Debug)]
pub(super) struct Subject {
    program: CString,
    candidates: Vec<CString>,
    working_directory: CString,
}

impl Subject {
    pub(super) fn new(command: &Command, candidates: Vec<CString>) -> Self {
        Self {
            program: command.argv()[0].clone(),
            candidates,
            working_directory: command.working_directory.clone(),
        }
    }
}

impl From<NotBooted> for Refusal {
    fn from(why: NotBooted) -> Self {
        match why {
            NotBooted::Failed { program, failure } => {
                let (candidates, working_directory) = (Vec::new(), c"/".to_owned());
                let subject = Subject { program, candidates, working_directory };
                Self::from_failure(failure, &subject)
            }
            why => Self::NotBooted(why),
        }
    }
}

impl From<&Refusal> for ExecRefused {
    fn from(refusal: &Refusal) -> Self {
        let mut message = refusal.to_string();
        let mut source = std::error::Error::source(refusal);
        while let Some(error) = source {
            message.push_str(": ");
            message.push_str(&error.to_string());
            source = error.source();
        }
        Self { reason: refusal.reason().into(), message }
    }
}
