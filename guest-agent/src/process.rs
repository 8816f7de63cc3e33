//! How a process of the agent's is born.
//!
//! Not through std or libc: a child has to appear in its control group with its first instruction
//! (moving it there later takes a lock of the whole kernel and a grace period of RCU), must be named
//! by a pidfd (a pid may be reused) and must not be waited for by anyone but the reaper.

mod image;
mod report;
mod signal;
mod start;
mod terminal;

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

use rustix::process::Pid;

pub(crate) use self::{
    image::{Ends, Image, Plan, Stdio, Streams},
    report::{Failure, REPORT_BYTES, Stage},
    signal::{LAST_SIGNAL, reset as reset_signals, send_signal},
    terminal::{InvalidSize, TerminalSize, end_of_file, hang_up, open_console, take_console},
};

/// Of `clone3`'s wide flags; `libc` has them as narrow ones.
const CLONE_PIDFD: u64 = 0x1000;
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child that was just born.
#[derive(Debug)]
pub(crate) struct Cloned {
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
}

/// What a child does.
///
/// # Safety
/// `run` executes in a copy of a process whose other threads are gone, perhaps in the middle of an
/// allocation: it must not allocate, lock or panic, and call nothing but system calls.
pub(crate) unsafe trait Child {
    /// Returns the exit code, if it returns.
    fn run(&self) -> i32;
}

/// Copies the calling process; the copy runs `child` with every signal blocked and ends.
pub(crate) fn clone_process(
    cgroup: Option<BorrowedFd<'_>>,
    child: &impl Child,
) -> io::Result<Cloned> {
    let mut pidfd: libc::c_int = -1;
    let blocked = signal::BlockAll::new()?;
    // SAFETY: no memory is shared (neither CLONE_VM nor CLONE_VFORK), so the child cannot disturb
    // this process; what it does itself is bound by the contract of `Child`. `pidfd` outlives the
    // call, which alone writes to it.
    let pid = unsafe {
        match cgroup {
            Some(cgroup) => clone_into(cgroup, &raw mut pidfd),
            None => clone_beside(&raw mut pidfd),
        }
    };
    match pid {
        0 => {
            let code = child.run();
            // SAFETY: ends the child at once; no destructor or exit handler of the parent's runs.
            unsafe { libc::_exit(code) }
        }
        -1 => Err(io::Error::last_os_error()),
        pid => {
            drop(blocked);
            // SAFETY: the kernel has just opened it for us, close-on-exec.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            Ok(Cloned { pid: pid.ok_or(io::ErrorKind::InvalidData)?, pidfd })
        }
    }
}

/// # Safety
/// As `fork` in a process with threads: see [`Child`].
unsafe fn clone_into(cgroup: BorrowedFd<'_>, pidfd: *mut libc::c_int) -> libc::c_long {
    // SAFETY: all zeroes is a valid value of this plain structure.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_PIDFD | CLONE_INTO_CGROUP;
    arguments.pidfd = pidfd as u64;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = u64::try_from(cgroup.as_raw_fd()).unwrap_or(u64::MAX);
    // SAFETY: the structure is as large as we say; without a stack of its own the child goes on on
    // a copy of ours.
    unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size_of_val(&arguments)) }
}

/// # Safety
/// As `fork` in a process with threads: see [`Child`].
unsafe fn clone_beside(pidfd: *mut libc::c_int) -> libc::c_long {
    let flags = libc::CLONE_PIDFD | libc::SIGCHLD;
    // SAFETY: with CLONE_PIDFD the third argument is where the pidfd goes, on every architecture;
    // the order of the rest differs, and the rest is zero.
    unsafe {
        libc::syscall(libc::SYS_clone, libc::c_long::from(flags), 0_usize, pidfd, 0_usize, 0_usize)
    }
}
