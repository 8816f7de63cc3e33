//! What is asked for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The jail of one program. Whatever is not named here, the program does not have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jail {
    /// `None` where the starter is not root: then there are no namespaces and no root of its own
    /// either, and who starts it says so.
    pub user: Option<JailUser>,
    /// What its root holds, each at the path that it has outside, so that a command line means the
    /// same on both sides.
    pub paths: Vec<JailPath>,
    /// Which system calls it may make.
    pub profile: Profile,
    /// The largest file that it may make or write: its largest disk, and a guest's memory as well
    /// where that is a file without a name.
    pub file_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailUser {
    /// Of this VM alone, and the group as well.
    pub id: u32,
    /// Who may speak with it: the group of the directory in which it makes its sockets.
    pub keeper: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JailPath {
    pub path: PathBuf,
    pub access: Access,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// A file that everybody may read; mounted read-only.
    Read,
    /// The same, and executed or mapped executable: a program, its loader, a library.
    Execute,
    /// A regular file below the VM's directory, read and written, and given to its user.
    Write,
    /// A character device, read and written.
    Device,
    /// A directory below the VM's, made when it is not there, in which the program makes sockets
    /// and nothing else.
    Sockets,
    /// A directory below the VM's, made when it is not there, in which the program and its keeper
    /// make regular files: a snapshot, disks that come later.
    Files,
}

/// The programs whose system calls are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    CloudHypervisor,
    /// `kiln-gateway`: the one with sockets of a network.
    Gateway,
    Qemu,
    VhostDeviceVsock,
}
