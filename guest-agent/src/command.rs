//! A command as the host asked for it, checked: what is held here can be handed to the kernel.

mod environment;
mod search;

use std::{ffi::CString, time::Duration};

use kiln_proto::agent::v1::{ExecStart, Terminal};

use self::environment::{Environment, InvalidEnvironment};
use crate::{
    process::{InvalidSize, Streams, TerminalSize},
    user::{InvalidUserName, UserName},
};

#[derive(Debug)]
pub(crate) struct Command {
    argv: Vec<CString>,
    environment: Environment,
    pub(crate) working_directory: CString,
    pub(crate) user: UserName,
    pub(crate) streams: Streams,
    pub(crate) limits: Limits,
    /// Of the guest's monotonic time, from the command's start.
    pub(crate) timeout: Option<Duration>,
}

/// Of all processes of the command together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: Option<u64>,
    /// `None` is the agent's default.
    pub(crate) pids: Option<u32>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidCommand {
    #[error("argv is empty")]
    NoArguments,
    #[error("argv[0] is empty")]
    NoProgram,
    #[error("{0} contains a NUL byte")]
    Nul(String),
    #[error("workdir {0:?} is not absolute")]
    RelativeWorkdir(String),
    #[error("PATH names more than {} directories", search::MAX_DIRECTORIES)]
    LongPath,
    #[error("a terminal needs stdin")]
    TerminalWithoutStdin,
    #[error(transparent)]
    TerminalSize(#[from] InvalidSize),
    #[error(transparent)]
    Environment(#[from] InvalidEnvironment),
    #[error(transparent)]
    User(#[from] InvalidUserName),
}

impl TryFrom<ExecStart> for Command {
    type Error = InvalidCommand;

    fn try_from(start: ExecStart) -> Result<Self, InvalidCommand> {
        let ExecStart {
            argv,
            env,
            workdir,
            user,
            stdin,
            memory_bytes,
            pids,
            timeout_millis,
            // The register's.
            id: _,
            output_offset: _,
            terminal,
        } = start;
        match argv.first() {
            None => return Err(InvalidCommand::NoArguments),
            Some(program) if program.is_empty() => return Err(InvalidCommand::NoProgram),
            Some(_) => {}
        }
        let argument = |(index, argument)| c_string(argument, || format!("argv[{index}]"));
        let command = Self {
            argv: argv.into_iter().enumerate().map(argument).collect::<Result<_, _>>()?,
            environment: Environment::try_from(env)?,
            working_directory: working_directory(workdir)?,
            user: UserName::parse(&user)?,
            streams: streams(stdin, terminal)?,
            limits: Limits {
                memory_bytes: Some(memory_bytes).filter(|bytes| *bytes != 0),
                pids: Some(pids).filter(|pids| *pids != 0),
            },
            timeout: Some(timeout_millis).filter(|millis| *millis != 0).map(Duration::from_millis),
        };
        if command.environment.path().split(|byte| *byte == b':').count() > search::MAX_DIRECTORIES
        {
            return Err(InvalidCommand::LongPath);
        }
        Ok(command)
    }
}

impl Command {
    /// Where the program may be, in the order in which to try.
    pub(crate) fn candidates(&self) -> Vec<CString> {
        search::candidates(&self.argv[0], self.environment.path())
    }

    pub(crate) fn argv(&self) -> &[CString] {
        &self.argv
    }

    /// The whole environment, with `HOME` when the host did not say.
    pub(crate) fn environment(&self, home: &str) -> Vec<CString> {
        self.environment.with_home(home)
    }
}

fn streams(stdin: bool, terminal: Option<Terminal>) -> Result<Streams, InvalidCommand> {
    let Some(Terminal { size }) = terminal else { return Ok(Streams::Pipes { stdin }) };
    if !stdin {
        return Err(InvalidCommand::TerminalWithoutStdin);
    }
    Ok(Streams::Terminal(TerminalSize::try_from(size.unwrap_or_default())?))
}

fn working_directory(text: String) -> Result<CString, InvalidCommand> {
    if text.is_empty() {
        return Ok(c"/".to_owned());
    }
    if !text.starts_with('/') {
        return Err(InvalidCommand::RelativeWorkdir(text));
    }
    c_string(text, || "workdir".to_owned())
}

fn c_string(text: String, what: impl Fn() -> String) -> Result<CString, InvalidCommand> {
    CString::new(text).map_err(|_| InvalidCommand::Nul(what()))
}

#[cfg(test)]
mod tests;
