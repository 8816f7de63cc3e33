//! Landlock: what a program may do with the files that it has, and that it has no others.
//!
//! It stands behind the jail's own root and behind the owners of files, and holds where one of them
//! should fail. The rules are of objects, not of names, so they are made before the fork of the very
//! objects that were checked.

use std::{
    io,
    os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
};

use crate::{Access, LaunchFailure, Profile};

/// The newest version whose rules are made here.
const KNOWN: u32 = 6;

const EXECUTE: u64 = 1;
const WRITE_FILE: u64 = 1 << 1;
const READ_FILE: u64 = 1 << 2;
const READ_DIR: u64 = 1 << 3;
const REMOVE_FILE: u64 = 1 << 5;
const MAKE_REGULAR: u64 = 1 << 8;
const MAKE_SOCKET: u64 = 1 << 9;
const TRUNCATE: u64 = 1 << 14;
const IOCTL_DEVICE: u64 = 1 << 15;

const ASK_VERSION: u32 = 1;
const PATH_BENEATH: u32 = 1;

/// Of the kernel; shorter in earlier versions.
#[repr(C)]
#[derive(Debug, Default)]
struct Handled {
    files: u64,
    /// To bind a TCP port, to connect to one.
    network: u64,
    /// Abstract sockets and signals, beyond the program itself.
    scoped: u64,
}

#[repr(C, packed)]
struct Beneath {
    allowed: u64,
    parent: RawFd,
}

/// Of [`Handled::network`].
const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;

/// Rules that a process can put upon itself.
#[derive(Debug)]
pub(crate) struct Rules {
    ruleset: OwnedFd,
    version: u32,
    handled: u64,
}

impl Rules {
    /// That allow nothing, but for a gateway to connect; `None` on a kernel without Landlock, or
    /// where it is switched off.
    pub(crate) fn new(profile: Profile) -> Result<Option<Self>, LaunchFailure> {
        // SAFETY: it reads nothing, and asks for the version.
        let version = unsafe {
            let nothing = std::ptr::null::<Handled>();
            libc::syscall(libc::SYS_landlock_create_ruleset, nothing, 0_usize, ASK_VERSION)
        };
        let version = match u32::try_from(version) {
            Ok(version) if version > 0 => version.min(KNOWN),
            _ => match io::Error::last_os_error() {
                error if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EOPNOTSUPP)) => {
                    return Ok(None);
                }
                error => return Err(failure(error)),
            },
        };
        let (handled, size) = handled(version, profile);
        // SAFETY: the structure lives across the call and is at least as long as is told.
        let ruleset = unsafe {
            libc::syscall(libc::SYS_landlock_create_ruleset, &raw const handled, size, 0_u32)
        };
        let Some(ruleset) = RawFd::try_from(ruleset).ok().filter(|ruleset| *ruleset >= 0) else {
            return Err(failure(io::Error::last_os_error()));
        };
        // SAFETY: the kernel has just opened it for us, closed on exec.
        let ruleset = unsafe { OwnedFd::from_raw_fd(ruleset) };
        Ok(Some(Self { ruleset, version, handled: handled.files }))
    }

    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    /// Allows what `access` means of `object`.
    pub(crate) fn allow(&self, object: impl AsFd, access: Access) -> Result<(), LaunchFailure> {
        let allowed = rights(access) & self.handled;
        let beneath = Beneath { allowed, parent: object.as_fd().as_raw_fd() };
        // SAFETY: the structure lives across the call and is what this kind of rule reads.
        let added = unsafe {
            libc::syscall(
                libc::SYS_landlock_add_rule,
                self.ruleset.as_raw_fd(),
                PATH_BENEATH,
                &raw const beneath,
                0_u32,
            )
        };
        if added == 0 { Ok(()) } else { Err(failure(io::Error::last_os_error())) }
    }

    /// Upon this process and all that it starts. Neither allocates nor locks.
    pub(crate) fn obey(&self) -> io::Result<()> {
        // SAFETY: it reads two numbers.
        let restricted = unsafe {
            libc::syscall(libc::SYS_landlock_restrict_self, self.ruleset.as_raw_fd(), 0_u32)
        };
        if restricted == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// All that a version knows, and how long its structure is.
fn handled(version: u32, profile: Profile) -> (Handled, usize) {
    let files = match version {
        1 => (1 << 13) - 1,
        2 => (1 << 14) - 1,
        3 | 4 => (1 << 15) - 1,
        _ => (1 << 16) - 1,
    };
    let network = match profile {
        _ if version < 4 => 0,
        // Where to is the network's own matter. What it listens on, it was given.
        Profile::Gateway => BIND_TCP,
        Profile::CloudHypervisor | Profile::Qemu | Profile::VhostDeviceVsock => {
            BIND_TCP | CONNECT_TCP
        }
    };
    let scoped = if version >= 6 { 0b11 } else { 0 };
    let size = match version {
        1..=3 => 8,
        4 | 5 => 16,
        _ => 24,
    };
    (Handled { files, network, scoped }, size)
}

fn rights(access: Access) -> u64 {
    match access {
        Access::Read => READ_FILE,
        Access::Execute => READ_FILE | EXECUTE,
        Access::Write => READ_FILE | WRITE_FILE | TRUNCATE,
        Access::Device => READ_FILE | WRITE_FILE | IOCTL_DEVICE,
        Access::Sockets => MAKE_SOCKET | REMOVE_FILE,
        Access::Files => READ_FILE | WRITE_FILE | TRUNCATE | READ_DIR | MAKE_REGULAR | REMOVE_FILE,
    }
}

fn failure(error: io::Error) -> LaunchFailure {
    LaunchFailure::make("a set of rules of Landlock", error)
}
