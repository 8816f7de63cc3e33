//! How long what ended jobs leave is kept: their records, their logs, their outputs.
//!
//! ```text
//! a job has ended ──▶ all of it is kept ──▶ its outputs expire ──▶ it is forgotten
//! ```
//! The policy is pure; one task applies it. A record changes before the files that it speaks of are
//! removed: cut off in between, files are left that no record speaks of, which the sweep finds, and
//! never a record that promises what is gone.

mod archive;
mod kept;
mod policy;
mod task;

pub use self::{
    archive::{Archive, ArchiveError},
    kept::KeptJobs,
    policy::{EndedJob, RetentionLimits, Verdict, judge},
    task::Retention,
};

#[cfg(test)]
mod tests;
