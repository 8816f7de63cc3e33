//! Out of the starter's session, terminal, descriptors and directory.

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd, RawFd},
    path::Path,
};

use rustix::{
    fs::{Mode, OFlags, open},
    process::{chdir, setsid, umask},
};

use super::{descriptors::high, given::Given, signals};
use crate::{LOG_FILE, files::clear};

/// What is kept of the starter.
#[derive(Debug)]
pub(super) struct Detached {
    /// What was stdin.
    pub(super) leash: OwnedFd,
    /// What was stdout.
    pub(super) report: OwnedFd,
}

/// Goes to `directory`, if it is not there already, and keeps what is `given`. `None` in the
/// starter's own child, which has nothing left to do. Everything but the fork comes behind it,
/// where a failure can still be told on stdout.
pub(super) fn detach(directory: Option<&Path>, given: &Given) -> io::Result<Option<Detached>> {
    // SAFETY: this process has one thread, so its copy is whole.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {}
        _ => return Ok(None),
    }
    setsid()?;
    signals::settle()?;
    umask(Mode::from_raw_mode(0o077));
    close_others(&given.numbers())?;
    let leash = high(io::stdin())?;
    let report = high(io::stdout())?;
    if let Some(directory) = directory {
        chdir(directory)?;
    }
    let null = open(c"/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    // An earlier supervisor keeps its own, whatever its name is then. One that starts at the same
    // time may have made it meanwhile: which of them stays is decided later, by the lock.
    clear(Path::new(LOG_FILE))?;
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::APPEND
        | OFlags::NOCTTY
        | OFlags::CLOEXEC;
    let log = open(LOG_FILE, flags, Mode::RUSR | Mode::WUSR)?;
    for (ours, standard) in [(&null, 0), (&null, 1), (&log, 2)] {
        // SAFETY: both numbers are open, and the standard library's streams own nothing.
        if unsafe { libc::dup2(ours.as_raw_fd(), standard) } == -1 {
            return Err(io::Error::last_os_error());
        }
    }
    // Shown in process lists, whatever the file is called.
    rustix::thread::set_name(c"kiln-shim")?;
    Ok(Some(Detached { leash, report }))
}

/// All but the standard streams and what is `kept`, which is in order.
fn close_others(kept: &[RawFd]) -> io::Result<()> {
    let mut first: libc::c_uint = 3;
    for kept in kept.iter().map(|kept| kept.cast_unsigned()) {
        if first < kept {
            close(first, kept - 1)?;
        }
        first = kept + 1;
    }
    close(first, libc::c_uint::MAX)
}

fn close(first: libc::c_uint, last: libc::c_uint) -> io::Result<()> {
    // SAFETY: whoever opened them was this process before it was ours: nothing here refers to one.
    if unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
