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

use super::{Child, start};
use crate::user::Identity;

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
}

/// The child's ends of its standard streams, and the agent's.
#[derive(Debug)]
pub(crate) struct Stdio {
    /// `/dev/null` when `stdin` is `None`.
    child: [OwnedFd; 3],
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
}

/// The agent's ends.
pub(crate) type Ends = (Option<OwnedFd>, OwnedFd, OwnedFd);

impl Stdio {
    /// The pipes belong to the user, who may otherwise not open `/dev/stdout`.
    pub(crate) fn open(with_stdin: bool, identity: &Identity) -> io::Result<Self> {
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
        Ok(Self { child: [child_stdin, child_stdout, child_stderr], stdin, stdout, stderr })
    }

    /// Closes the child's ends: the agent must not keep its own pipes open.
    pub(crate) fn into_ends(self) -> Ends {
        let Self { child, stdin, stdout, stderr } = self;
        drop(child);
        (stdin, stdout, stderr)
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

    pub(super) fn child_stdio(&self) -> [BorrowedFd<'_>; 3] {
        let [stdin, stdout, stderr] = &self.stdio.child;
        [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()]
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
