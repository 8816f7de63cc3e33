//! What a supervisor hears.

use std::{
    io,
    mem::zeroed,
    os::fd::{FromRawFd as _, OwnedFd},
};

/// Ignores what a closed terminal or peer brings, and holds SIGTERM back for [`termination`].
pub(super) fn settle() -> io::Result<()> {
    // SAFETY: constants and a mask on this stack; the process has one thread and no handlers.
    unsafe {
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE, libc::SIGQUIT] {
            if libc::signal(signal, libc::SIG_IGN) == libc::SIG_ERR {
                return Err(io::Error::last_os_error());
            }
        }
        let mask = terminate();
        if libc::sigprocmask(libc::SIG_SETMASK, &raw const mask, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Readable once somebody has sent SIGTERM: the machine is to be ended.
pub(super) fn termination() -> io::Result<OwnedFd> {
    let mask = terminate();
    // SAFETY: the mask lives across the call, and a descriptor that it returns is nobody else's.
    unsafe {
        match libc::signalfd(-1, &raw const mask, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) {
            -1 => Err(io::Error::last_os_error()),
            descriptor => Ok(OwnedFd::from_raw_fd(descriptor)),
        }
    }
}

fn terminate() -> libc::sigset_t {
    // SAFETY: a set of signals is plain memory, and `sigemptyset` makes it one.
    unsafe {
        let mut mask = zeroed();
        libc::sigemptyset(&raw mut mask);
        libc::sigaddset(&raw mut mask, libc::SIGTERM);
        mask
    }
}
