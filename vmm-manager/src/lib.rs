//! `kilnd` as a library: the way of a job from the API to its release. ARCHITECTURE.md has the map.

pub mod admission;
pub mod api;
pub mod config;
pub mod daemon;
pub mod disk;
pub mod guest;
pub mod home;
pub mod job;
pub mod lifecycle;
pub mod log;
pub mod machine;
pub mod scheduler;
pub mod store;
pub mod stream;
pub mod vmm;
