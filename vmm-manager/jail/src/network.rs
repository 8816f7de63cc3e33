//! A network that a program is given, instead of the empty one that a new namespace is.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::{
    fs::{fstat, stat},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

use crate::LaunchFailure;

/// The starter's own.
const OWN: &str = "/proc/self/ns/net";

#[derive(Debug)]
pub(crate) struct Network<'a>(BorrowedFd<'a>);

impl<'a> Network<'a> {
    /// Refuses the starter's own, which is the host's: to be given that is to be given everything.
    /// Only a program that `is_apart` otherwise can be given one.
    pub(crate) fn given(network: BorrowedFd<'a>, is_apart: bool) -> Result<Self, LaunchFailure> {
        let refused = |errno| LaunchFailure::Network { errno };
        if !is_apart {
            return Err(refused(libc::EINVAL));
        }
        let theirs = fstat(network).map_err(|error| refused(error.raw_os_error()))?;
        let own = stat(OWN).map_err(|error| refused(error.raw_os_error()))?;
        if (theirs.st_dev, theirs.st_ino) == (own.st_dev, own.st_ino) {
            return Err(refused(libc::EINVAL));
        }
        Ok(Self(network))
    }

    /// Moves this process in; fails for what is no network. In the child: it neither allocates nor
    /// locks.
    pub(crate) fn join(&self) -> io::Result<()> {
        let kind = Some(LinkNameSpaceType::Network);
        Ok(move_into_link_name_space(self.0.as_fd(), kind)?)
    }
}
