//! The agent of a guest: PID 1, which boots it and runs commands for the host over vsock.

mod boot;
mod cgroup;
mod command;
mod disk_watch;
mod exec;
mod group;
mod init;
mod kmsg;
mod milestones;
mod offload;
mod power;
mod process;
mod reaper;
mod server;
mod service;
mod transport;
mod user;

pub use self::init::init;
