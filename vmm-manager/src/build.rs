//! Builds beyond what every job has: what the guest tells of its steps, what came of them, and what is
//! kept apart of them.
//!
//! ```text
//! agent ──stdout: a row of events──▶ frame ──▶ log (whole events) ──▶ reader ──▶ api
//!                                      └────▶ graph ──▶ watchers, the job's record
//! output disk ──▶ kiln_registry ingest ──▶ result ──▶ names, pushes
//! ```

pub mod artifact;
pub mod event;
pub mod fault;
pub mod frame;
pub mod graph;
pub mod order;
pub mod publish;
pub mod reader;
pub mod record;
#[cfg(test)]
pub(crate) mod samples;
pub mod secrets;
pub mod ssh;
pub mod tracker;

pub use self::record::{BuildRecord, Content, Image, PlatformImage, StepRecord, WarningRecord};
