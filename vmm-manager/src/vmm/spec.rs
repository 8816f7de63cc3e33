//! What a machine is made of: resolved, so that no driver has anything left to decide.

use std::{borrow::Cow, os::fd::OwnedFd, path::PathBuf};

use kiln_jail::JailUser;

use crate::host::cgroup::Cgroup;

/// A machine to be made.
#[derive(Clone, Debug)]
pub struct VmSpec {
    /// Names the machine in process lists; the job's id.
    pub name: String,
    /// The home's id: a machine is only ever taken up or ended by a daemon of the same home.
    pub instance: String,
    /// Of the guest's vsock, 3 or above.
    pub cid: u32,
    /// Its processes run as this user, who is this VM's alone, in a jail of their own; `None` where
    /// kilnd is not root.
    pub user: Option<JailUser>,
    /// Joined by each of its processes before it runs; made, and in the end removed, by the caller.
    pub cgroup: Option<Cgroup>,
    /// The machine's own 0700 directory, already made; sockets go here. Its owner removes it.
    pub directory: PathBuf,
    /// How many there are at the start.
    pub cpus: u32,
    /// A multiple of 1 MiB.
    pub memory_bytes: u64,
    pub kernel: PathBuf,
    pub initramfs: PathBuf,
    /// What the guest image asks for; drivers add what their own machine needs.
    pub command_line: String,
    /// In order: the guest sees them as `vda`, `vdb`, … and finds them by serial.
    pub disks: Vec<Disk>,
}

/// One virtio block device over a raw file; its content is never looked at.
#[derive(Clone, Debug)]
pub struct Disk {
    /// At most 20 bytes, as virtio has it.
    pub serial: Cow<'static, str>,
    pub path: PathBuf,
    pub read_only: bool,
}

/// A VM's link to a network, made before the VMM and handed to it.
#[derive(Debug)]
pub struct Network {
    /// Names it in [`super::Machine::remove_device`].
    pub id: String,
    pub mac: [u8; 6],
    /// Opened with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`, one queue.
    pub tap: OwnedFd,
}

/// What a running machine is to have from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub cpus: u32,
    /// A multiple of 128 MiB above what it was made with: the guest takes it up in such blocks.
    pub memory_bytes: u64,
}
