//! All that a child needs to become its program, made before the child exists.

use std::{
    ffi::{CStr, CString, c_char},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    ptr,
};

use rustix::{
    fs::{Mode, OFlags, fchown},
    pipe::{PipeFlags, fcntl_setpipe_size, pipe_with},
};

use super::{
    Child, start,
    terminal::{Terminal, TerminalSize},
};
use crate::{machine::Door, user::Identity};

/// Room for the command to go on while the agent waits for more; see `exec::output`.
const OUTPUT_PIPE_BYTES: usize = 256 * 1024;

/// The program, its arguments and its surroundings.
#[derive(Debug)]
pub(crate) struct Image<'a> {
    /// Tried in order, as `execvp` would.
    pub(crate) candidates: Vec<CString>,
    pub(crate) argv: &'a [CString],
    /// `NAME=value`, all of it.
    pub(crate) environment: Vec<CString>,
    pub(crate) working_directory: &'a CStr,
    pub(crate) identity: Identity,
    /// To another root than the agent's.
    pub(crate) door: Option<&'a Door>,
}

/// What a command has for standard streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Streams {
    /// `/dev/null` for stdin when there is none.
    Pipes {
        stdin: bool,
    },
    Terminal(TerminalSize),
}

/// The child's ends of its standard streams, and the agent's.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// In their order; with a terminal its one end for all of them.
    child: Vec<OwnedFd>,
    ends: Ends,
}

/// The agent's ends.
#[derive(Debug)]
pub(crate) enum Ends {
    Pipes {
        stdin: Option<OwnedFd>,
        stdout: OwnedFd,
        stderr: OwnedFd,
    },
    Terminal {
        master: OwnedFd,
        /// The child's end, once more.
        slave: OwnedFd,
    },
}

impl Stdio {
    /// The pipes belong to the user, who may otherwise not open `/dev/stdout`.
    pub(crate) fn open(streams: Streams, identity: &Identity) -> io::Result<Self> {
        match streams {
            Streams::Pipes { stdin } => Self::open_pipes(stdin, identity),
            Streams::Terminal(size) => {
                let Terminal { master, slave } = Terminal::open(size, identity.uid)?;
                let child = vec![slave.try_clone()?];
                Ok(Self { child, ends: Ends::Terminal { master, slave } })
            }
        }
    }

    fn open_pipes(with_stdin: bool, identity: &Identity) -> io::Result<Self> {
        let (child_stdin, stdin) = if with_stdin {
            let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
            (read, Some(write))
        } else {
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            (rustix::fs::open(c"/dev/null", flags, Mode::empty())?, None)
        };
        let (stdout, child_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, child_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        for pipe in [&stdout, &stderr] {
            // Where it is not granted, the default does.
            let _ = fcntl_setpipe_size(pipe, OUTPUT_PIPE_BYTES);
        }
        for pipe in stdin.iter().chain([&stdout, &stderr]) {
            fchown(pipe, Some(identity.uid), Some(identity.gid))?;
        }
        Ok(Self {
            child: vec![child_stdin, child_stdout, child_stderr],
            ends: Ends::Pipes { stdin, stdout, stderr },
        })
    }

    /// Closes the child's ends: the agent must not keep its own pipes open.
    pub(crate) fn into_ends(self) -> Ends {
        let Self { child, ends } = self;
        drop(child);
        ends
    }
}

/// The image as `execve` wants it.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(super) image: &'a Image<'a>,
    pub(super) stdio: &'a Stdio,
    pub(super) report: BorrowedFd<'a>,
    /// Pointers into `image`, closed by a null.
    argv: Vec<*const c_char>,
    environment: Vec<*const c_char>,
}

impl<'a> Plan<'a> {
    pub(crate) fn new(image: &'a Image<'a>, stdio: &'a Stdio, report: BorrowedFd<'a>) -> Self {
        let argv = pointers(image.argv);
        let environment = pointers(&image.environment);
        Self { image, stdio, report, argv, environment }
    }

    /// The last one stands for those that are missing.
    pub(super) fn child_stdio(&self) -> [Option<BorrowedFd<'_>>; 3] {
        let child = &self.stdio.child;
        let end = |index| child.get(index).or(child.last()).map(OwnedFd::as_fd);
        [end(0), end(1), end(2)]
    }

    pub(super) fn has_terminal(&self) -> bool {
        matches!(self.stdio.ends, Ends::Terminal { .. })
    }

    /// Returns only when it failed, with the error in `errno`.
    pub(super) fn execute(&self, candidate: &CStr) {
        // SAFETY: the arrays end in null and point into `image`, which is borrowed as long as we.
        unsafe {
            libc::execve(candidate.as_ptr(), self.argv.as_ptr(), self.environment.as_ptr());
        }
    }
}

// SAFETY: everything was allocated in `new`; `start::become_program` is made of system calls.
unsafe impl Child for Plan<'_> {
    fn run(&self) -> i32 {
        start::become_program(self)
    }
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}
