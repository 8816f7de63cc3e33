//! The booted root, from the agent's side of it: where commands run once there is one.

use std::{
    io,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
};

use rustix::{
    fs::{CWD, Mode, OFlags, openat},
    io::Errno,
    process::{chroot, fchdir},
    thread::{LinkNameSpaceType, move_into_link_name_space},
};

const NAMESPACE: &str = "/proc/1/ns/mnt";
const ROOT: &str = "/proc/1/root";

/// Whether there is one.
#[derive(Debug, Default)]
pub(crate) struct Inside(AtomicBool);

/// Process 1's mount namespace and its root there, as they are now: an init may change both.
#[derive(Debug)]
pub(crate) struct Door {
    namespace: OwnedFd,
    root: OwnedFd,
}

impl Inside {
    /// Process 1 is an init.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// `None`: commands run where the agent is.
    pub(crate) fn door(&self) -> io::Result<Option<Door>> {
        if !self.0.load(Ordering::Acquire) {
            return Ok(None);
        }
        let open = |path, flags| openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty());
        let namespace = open(NAMESPACE, OFlags::RDONLY)?;
        let root = open(ROOT, OFlags::PATH | OFlags::DIRECTORY)?;
        Ok(Some(Door { namespace, root }))
    }
}

impl Door {
    /// Of the root that commands see, for who stays outside.
    pub(crate) const ETC: &str = "/proc/1/root/etc";

    /// For a process of one thread, which makes nothing but system calls.
    pub(crate) fn enter(&self) -> Result<(), Errno> {
        use std::os::fd::AsFd as _;
        let kind = Some(LinkNameSpaceType::Mount);
        move_into_link_name_space(self.namespace.as_fd(), kind)?;
        fchdir(&self.root)?;
        chroot(".")
    }
}
