//! From a copy of the init to the command: on the other side of a fork.

use std::{
    convert::Infallible,
    ffi::{CStr, CString, c_char},
    mem::MaybeUninit,
    os::fd::BorrowedFd,
    ptr,
};

use rustix::{
    fs::{Access, AtFlags, CWD, FileType, Gid, Mode, Uid, accessat, stat},
    io::{Errno, write},
    process::{chdir, setsid, umask},
    thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid},
};

use super::Program;
use crate::cause::FAILED;

/// What it could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Streams = 1,
    Identity,
    Enter,
    Search,
    Execute,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) stage: Stage,
    pub(super) errno: Errno,
}

impl Failure {
    fn encode(self) -> [u8; 5] {
        let [a, b, c, d] = self.errno.raw_os_error().to_ne_bytes();
        [self.stage as u8, a, b, c, d]
    }

    /// `None` where nothing was said.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let [stage, a, b, c, d] = *<&[u8; 5]>::try_from(bytes).ok()?;
        let stages = [Stage::Streams, Stage::Identity, Stage::Enter, Stage::Search, Stage::Execute];
        let stage = stages.into_iter().find(|known| *known as u8 == stage)?;
        Some(Self { stage, errno: Errno::from_raw_os_error(i32::from_ne_bytes([a, b, c, d])) })
    }
}

pub(super) fn become_program(
    program: &Program,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
    report: BorrowedFd<'_>,
) -> ! {
    let Err(failure) = prepare(program, input, output).and_then(|()| execute(program));
    // Without a reader nobody asks any more.
    let _ = write(report, &failure.encode());
    // SAFETY: ends this process, and runs nothing of the init's on the way.
    unsafe { libc::_exit(i32::from(FAILED)) }
}

fn prepare(
    program: &Program,
    input: BorrowedFd<'_>,
    output: BorrowedFd<'_>,
) -> Result<(), Failure> {
    let failed = |stage| move |errno| Failure { stage, errno };
    setsid().map_err(failed(Stage::Streams))?;
    umask(Mode::from_raw_mode(0o022));
    rustix::stdio::dup2_stdin(input).map_err(failed(Stage::Streams))?;
    rustix::stdio::dup2_stdout(output).map_err(failed(Stage::Streams))?;
    rustix::stdio::dup2_stderr(output).map_err(failed(Stage::Streams))?;
    // As root first, for directories that others may not enter; as the user, for those that root may
    // not (on network file systems).
    let entered = chdir(&*program.working_directory);
    take_on(program).map_err(failed(Stage::Identity))?;
    match entered {
        Err(Errno::ACCESS | Errno::PERM) => chdir(&*program.working_directory),
        other => other,
    }
    .map_err(failed(Stage::Enter))?;
    reset_signals();
    keep_streams_only();
    Ok(())
}

/// Groups first: without user 0 they can no longer be set. The calls act on this one thread, and there
/// is no other in this process.
fn take_on(program: &Program) -> Result<(), Errno> {
    let identity = &program.identity;
    let groups: Vec<Gid> = identity.groups.iter().map(|id| Gid::from_raw(*id)).collect();
    set_thread_groups(&groups)?;
    let group = Gid::from_raw(identity.group);
    set_thread_res_gid(group, group, group)?;
    let user = Uid::from_raw(identity.user);
    set_thread_res_uid(user, user, user)
}

/// Takes the first candidate that the user may execute; what then fails is not tried elsewhere.
fn execute(program: &Program) -> Result<Infallible, Failure> {
    let is_path = program.name.contains('/');
    let mut found = Err(Failure { stage: Stage::Search, errno: Errno::NOENT });
    for candidate in &program.candidates {
        match is_executable(candidate) {
            Ok(()) => {
                found = Ok(candidate);
                break;
            }
            Err(errno) if is_path => found = Err(Failure { stage: Stage::Execute, errno }),
            Err(_) => {}
        }
    }
    let candidate = found?;
    let arguments = pointers(&program.arguments);
    let environment = pointers(&program.environment);
    // SAFETY: the arrays end in null, and point into `program`.
    unsafe { libc::execve(candidate.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    // SAFETY: the C library's `errno` of this thread is always readable.
    let errno = Errno::from_raw_os_error(unsafe { *libc::__errno_location() });
    Err(Failure { stage: Stage::Execute, errno })
}

fn is_executable(path: &CStr) -> Result<(), Errno> {
    if FileType::from_raw_mode(stat(path)?.st_mode) == FileType::Directory {
        return Err(Errno::ISDIR);
    }
    accessat(CWD, path, Access::EXEC_OK, AtFlags::empty())
}

fn pointers(strings: &[CString]) -> Vec<*const c_char> {
    strings.iter().map(|string| string.as_ptr()).chain([ptr::null()]).collect()
}

/// Whoever started the init may have had signals ignored.
fn reset_signals() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: the default is installed for numbers only, of which the C library refuses its own.
    // `sigemptyset` initialises the set, which is then read.
    unsafe {
        for signal in 1..=libc::SIGRTMAX() {
            libc::signal(signal, libc::SIG_DFL);
        }
        libc::sigemptyset(none.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
}

/// Whoever started it may have left descriptors open. Where the kernel cannot, they stay: it is older
/// than any that is booted here.
fn keep_streams_only() {
    const FIRST: libc::c_long = 3;
    let last = libc::c_long::from(u32::MAX);
    let flags = libc::c_long::from(libc::CLOSE_RANGE_CLOEXEC);
    // SAFETY: they are closed with the program's beginning, where nothing of this one is left.
    unsafe { libc::syscall(libc::SYS_close_range, FIRST, last, flags) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_read_as_it_was_written() {
        for stage in [Stage::Streams, Stage::Identity, Stage::Enter, Stage::Search, Stage::Execute]
        {
            let failure = Failure { stage, errno: Errno::NOEXEC };
            assert_eq!(Failure::decode(&failure.encode()), Some(failure));
        }
        assert_eq!(Failure::decode(b""), None);
        assert_eq!(Failure::decode(&[9, 0, 0, 0, 0]), None);
    }
}
