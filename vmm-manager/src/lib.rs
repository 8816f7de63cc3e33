//! `kilnd` as a library: the way of a job from the API to its release. ARCHITECTURE.md has the map.

pub mod admission;
pub mod api;
pub mod build;
pub mod config;
pub mod daemon;
mod digest;
pub mod disk;
pub mod doctor;
pub mod fault;
pub mod guest;
pub mod home;
pub mod host;
pub mod job;
pub mod lifecycle;
pub mod log;
pub mod machine;
mod network;
pub mod notify;
pub mod output;
pub mod pool;
pub mod reconcile;
pub mod registry;
pub mod retention;
pub mod rootfs;
pub mod scheduler;
#[cfg(test)]
mod small_disk;
pub mod source;
pub mod store;
pub mod stream;
pub mod vmm;
