//! The image's command as a process.

mod start;

use std::{
    ffi::CString,
    io::{self, Read as _},
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags, fchown},
    io::Errno,
    pipe::{PipeFlags, pipe_with},
    process::Pid,
};

use self::start::{Failure, Stage};
use crate::{cause::Cause, environment::Environment, identity::Identity, search::candidates};

/// All that it takes to become the command.
#[derive(Debug)]
pub(crate) struct Program {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    candidates: Vec<CString>,
    /// For messages.
    name: String,
    working_directory: String,
    identity: Identity,
}

impl Program {
    pub(crate) fn new(
        command: &[String],
        environment: &Environment,
        identity: Identity,
        working_directory: &str,
    ) -> Result<Self, Cause> {
        let Some(name) = command.first() else { return Err(Cause::NoCommand) };
        let strings = |texts: &[String]| {
            texts.iter().map(|text| c_string(text)).collect::<Result<Vec<_>, _>>()
        };
        let variables: Vec<String> =
            environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let path = environment.value("PATH").unwrap_or_default();
        Ok(Self {
            arguments: strings(command)?,
            environment: strings(&variables)?,
            candidates: strings(&candidates(name, path))?,
            name: name.clone(),
            working_directory: working_directory.to_owned(),
            identity,
        })
    }

    /// Starts it, and returns when it is its own program: with its number, and the end of what it
    /// writes. Both of its streams are one pipe, so that what it wrote first comes first.
    pub(crate) fn start(&self) -> Result<(Pid, OwnedFd), Cause> {
        let process = |errno: Errno| Cause::Process(errno.into());
        let (output, written) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(process)?;
        // Only the init's end never waits.
        rustix::fs::fcntl_setfl(&written, OFlags::empty()).map_err(process)?;
        // Or the user could not open `/dev/stdout`.
        let (user, group) = (self.identity.user, self.identity.group);
        fchown(
            &written,
            Some(rustix::fs::Uid::from_raw(user)),
            Some(rustix::fs::Gid::from_raw(group)),
        )
        .map_err(process)?;
        let input = rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(process)?;
        let (report, told) = pipe_with(PipeFlags::CLOEXEC).map_err(process)?;
        // SAFETY: this process has one thread, so its copy may do whatever it could.
        match unsafe { libc::fork() } {
            -1 => Err(Cause::Process(io::Error::last_os_error())),
            0 => start::become_program(self, input.as_fd(), written.as_fd(), told.as_fd()),
            number => {
                drop((input, written, told));
                let pid = Pid::from_raw(number).ok_or_else(|| process(Errno::SRCH))?;
                self.wait_for_start(pid, report)?;
                Ok((pid, output))
            }
        }
    }

    /// The pipe is closed by the program's beginning, or by an end that nobody has told of, which is
    /// seen when it is reaped.
    fn wait_for_start(&self, pid: Pid, report: OwnedFd) -> Result<(), Cause> {
        let mut said = Vec::new();
        let read = std::fs::File::from(report).read_to_end(&mut said);
        read.map_err(Cause::Process)?;
        let Some(failure) = Failure::decode(&said) else { return Ok(()) };
        // It has nothing left to do.
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        Err(self.cause(failure))
    }

    fn cause(&self, Failure { stage, errno }: Failure) -> Cause {
        let program = self.name.clone();
        match stage {
            Stage::Streams => Cause::Process(errno.into()),
            Stage::Identity => Cause::Identity { user: self.identity.user, source: errno },
            Stage::Enter => Cause::Enter { path: self.working_directory.clone(), source: errno },
            Stage::Search => Cause::NotFound { program },
            Stage::Execute => Cause::Execute { program, source: errno },
        }
    }
}

fn c_string(text: &str) -> Result<CString, Cause> {
    CString::new(text).map_err(|_| Cause::Zero(text.to_owned()))
}
