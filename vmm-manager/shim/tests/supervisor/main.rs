//! The supervisor as a process, with shells for machines.

#![expect(clippy::unwrap_used, reason = "what a test needs and does not get is its failure")]

mod client;
mod death;
mod given;
mod hostile;
mod jail;
mod memory;
mod shim;
mod start;
