//! What a machine is made of: resolved, so that no driver has anything left to decide.

use std::{borrow::Cow, os::fd::OwnedFd, path::PathBuf, sync::Arc};

use kiln_jail::JailUser;

use super::Jailed;
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
    /// What the helper has made for this machine; `None` for one without a network device.
    pub network: Option<MachineNetwork>,
}

/// The network of a machine and the program that is its gateway. Namespace and listening sockets are
/// with the helper, which gives them to the machine's supervisor.
#[derive(Clone, Debug)]
pub struct MachineNetwork {
    /// The guest's end: opened with `IFF_TAP | IFF_NO_PI | IFF_VNET_HDR`, one queue. To be let go of
    /// once the machine is made, since an open TAP keeps its network.
    pub tap: Arc<OwnedFd>,
    /// `kiln-gateway`.
    pub gateway: Jailed,
    /// What it is started with; in the machine's directory, for everybody to read.
    pub config: PathBuf,
    /// What it appends to; in the machine's directory, already made.
    pub record: PathBuf,
    /// The longest that the record may get.
    pub record_bytes: u64,
    /// The gateway's own: not the VMM's.
    pub user: JailUser,
    /// Whether it has IPv6.
    pub six: bool,
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
