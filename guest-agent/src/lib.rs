//! The agent of a guest: PID 1, which boots it and runs commands for the host over vsock; or, where a
//! root filesystem is to be booted, the process beside PID 1 that does (`machine`).
//!
//! [`serve_on`] is the same agent without a guest, for tests of its clients.

mod boot;
mod build;
mod cgroup;
mod command;
mod disk_watch;
mod disks;
mod emulation;
mod exec;
mod group;
mod init;
mod kmsg;
mod machine;
mod milestones;
mod network;
mod offload;
mod online;
mod power;
mod process;
mod reaper;
mod registry;
mod server;
mod service;
mod session;
mod stand_in;
mod transfer;
mod transport;
mod user;

pub use self::{
    build::{End, StandInEngine, Translator},
    disks::{Disks, NoDisk},
    init::main,
    stand_in::{Settings, serve_on},
};
