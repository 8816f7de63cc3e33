//! What a machine is made of: resolved, so that no driver has anything left to decide.

use std::{borrow::Cow, path::PathBuf};

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
    /// Joined by each of its processes before it runs; made, and in the end removed, by the caller.
    pub cgroup: Option<Cgroup>,
    /// The machine's own 0700 directory, already made; sockets go here. Its owner removes it.
    pub directory: PathBuf,
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
