//! What a VMM is shut in before its first instruction: one launcher for all of them.
//!
//! A guest that breaks out of its VMM is whoever the VMM is, with what the VMM has. Each of these
//! would hold it by itself, where it reaches:
//!
//! | what | holds |
//! |---|---|
//! | user and group of its own, no others, no capability in any set, no new privileges | files and processes of anybody else |
//! | namespaces: mounts, processes, network, IPC, host name | whatever is not given has no name: no host socket, no process, no interface; a program may be given the network of its machine ([`Launch::network`]) |
//! | a read-only root with the named files and nothing else, each of them mounted for what it is for; no `/proc`, no `/sys` | the host's files, devices and settings |
//! | Landlock on the objects themselves | the same where a mount or an owner should be wrong; no TCP but a gateway's, no abstract socket, no signal beyond the program |
//! | a filter of system calls on every thread | the kernel's attack surface: no new process, no namespace, no sockets but local ones and a gateway's; see `filter` |
//! | limits and cgroups, no core dump | the host's memory, processes, disks |
//! | a core of its own where cores have two threads | what the other thread leaves in caches |
//!
//! Paths mean the same inside as outside. A file that is written, and a directory in which sockets
//! are made, is the program's user's and the keeper's group's from here on; the keeper speaks with
//! the program there and must follow no link in it. A device is a node of the jail's own, so that
//! its user needs no group of the host's.
//!
//! The launcher needs the capabilities to chown, to change modes and set group ids, to override
//! modes, to make nodes, to set user, group and capabilities, and `CAP_SYS_ADMIN` (and
//! `CAP_SYS_CHROOT` on a host that never left its initramfs). Without a user of its own
//! ([`Jail::user`]) it needs none, and the first three rows are missing.
//!
//! The program is the first process of its namespace. Whatever it does by itself to end by a signal
//! is ignored by the kernel, but for faults: a VMM that aborts is seen to end by `SIGSEGV`, which
//! the C library provokes when its `SIGABRT` is without effect.

mod birth;
mod confinement;
mod core_scheduling;
mod credentials;
mod failure;
mod filter;
mod fork;
mod image;
mod inspect;
mod landlock;
mod launch;
mod limits;
mod mount;
mod network;
mod paths;
mod root;
mod spec;
mod word;

pub use self::{
    confinement::{Confinement, CoreScheduling, Shortfall},
    failure::{Kind, LaunchFailure, PathFault, Step},
    inspect::{ThreadConfinement, inspect},
    launch::{Launch, Launched},
    spec::{Access, Jail, JailPath, JailUser, Profile},
};
