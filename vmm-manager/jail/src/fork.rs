//! A process that begins in namespaces of its own.

use std::{
    io,
    os::fd::{FromRawFd as _, OwnedFd, RawFd},
};

use rustix::process::Pid;

/// Whatever a namespace keeps apart of a VMM from its host: mounts, network, semaphores and shared
/// memory, the host's name, other processes.
const NAMESPACES: i32 =
    libc::CLONE_NEWNS | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWPID;

#[derive(Debug)]
pub(crate) enum Forked {
    Child,
    Parent { pid: Pid, pidfd: OwnedFd },
}

/// How far a child is from its starter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Apart {
    /// In the same namespaces.
    Not,
    /// In namespaces of its own, and an empty network.
    Alone,
    /// The same, but for the network: it leaves its starter's by itself.
    ButNetwork,
}

/// Forks, `apart` from this process.
///
/// # Safety
/// The child is a copy of one thread of this process: until it executes a program or ends, it may
/// only make system calls and read what was there before. It neither allocates nor takes a lock.
pub(crate) unsafe fn fork(apart: Apart) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let namespaces = match apart {
        Apart::Not => 0,
        Apart::Alone => NAMESPACES | libc::CLONE_NEWNET,
        Apart::ButNetwork => NAMESPACES,
    };
    // SAFETY: it is plain memory, and zero leaves out what is not asked for.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((libc::CLONE_PIDFD | namespaces).cast_unsigned());
    arguments.pidfd = (&raw mut pidfd).addr() as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    // SAFETY: without a stack of its own and without shared memory the child goes on with copies of
    // both, as after a fork; the structure lives across the call and has the size that is told.
    let pid = unsafe {
        libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of::<libc::clone_args>())
    };
    match pid {
        0 => Ok(Forked::Child),
        -1 => Err(io::Error::last_os_error()),
        pid => {
            // SAFETY: the kernel has just opened it for us, closed on exec.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // The number of a process is never anything else.
            pid.map(|pid| Forked::Parent { pid, pidfd }).ok_or_else(io::Error::last_os_error)
        }
    }
}
