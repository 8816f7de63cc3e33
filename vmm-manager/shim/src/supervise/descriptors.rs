//! Where the supervisor keeps descriptors that go to programs.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use rustix::io::fcntl_dupfd_cloexec;

/// Above all that programs are given.
const KEPT: i32 = 200;

/// A copy out of the way of the numbers that an order may use.
pub(super) fn high(descriptor: impl AsFd) -> io::Result<OwnedFd> {
    Ok(fcntl_dupfd_cloexec(descriptor, KEPT)?)
}
