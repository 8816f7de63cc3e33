//! The service on a real socket, over a real store and a real scheduler. The test plays the jobs'
//! lifecycles itself, step by step.

mod agent;
mod attach;
mod builds;
mod egress;
mod exec;
mod jobs;
mod malformed;
mod outputs;
mod registry;
mod rootfs;
mod service;
mod ssh;
mod uploads;
