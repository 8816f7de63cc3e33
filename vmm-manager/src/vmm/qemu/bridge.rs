//! `vhost-device-vsock`: the process between a guest's vsock and a unix socket on the host.

mod rings;

use std::path::Path;

use kiln_jail::Jail;

use crate::vmm::supervisor::{Program, Stdout};

pub use self::rings::attached;

/// Relative to the VM's directory, so that the 107 bytes of a socket's path are ours to spend.
pub(super) const VHOST_SOCKET: &str = "run/vhost.sock";
pub(super) const VSOCK_SOCKET: &str = "run/vsock.sock";
/// In the supervisor's records.
pub(super) const NAME: &str = "bridge";

/// It serves its first connection and no other meanwhile: the supervisor makes that one, for QEMU.
pub(super) fn program(path: &Path, cid: u32, stderr_bytes: usize, jail: Jail) -> Program {
    let cid = cid.to_string();
    let arguments = ["--guest-cid", &cid, "--socket", VHOST_SOCKET, "--uds-path", VSOCK_SOCKET];
    Program {
        name: NAME.to_owned(),
        path: path.to_owned(),
        arguments: arguments.map(str::to_owned).to_vec(),
        stdout: Stdout::Null,
        stderr_bytes,
        descriptors: Vec::new(),
        network: false,
        parting_millis: 0,
        jail: Some(jail),
    }
}
