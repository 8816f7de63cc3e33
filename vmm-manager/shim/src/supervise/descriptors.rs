//! Where the supervisor keeps descriptors that go to programs.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::{
    io::fcntl_dupfd_cloexec,
    pipe::{PipeFlags, pipe_with},
};

/// Above all that programs are given.
pub(super) const KEPT: i32 = 200;

/// A copy out of the way of the numbers that an order may use.
pub(super) fn high(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(descriptor, KEPT)?)
}

/// To read from, and to write to.
pub(super) fn pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    Ok((fcntl_dupfd_cloexec(read, KEPT)?, fcntl_dupfd_cloexec(write, KEPT)?))
}
