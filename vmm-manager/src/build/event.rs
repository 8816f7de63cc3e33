//! What a guest says of its build, one thing at a time: bounded and checked, and still only a claim.

mod check;

use std::time::SystemTime;

use bytes::Bytes;

pub use self::check::InvalidEvent;
use super::record::{StepRecord, WarningRecord};
use crate::stream::Stream;

/// Names have no control characters; texts have none but tabs and line ends. A log's data is as the
/// step wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A step that is new, or has changed: the whole of it.
    Step(StepEvent),
    Log(LogEvent),
    Progress(ProgressEvent),
    Warning(WarningEvent),
    /// Why it failed; once, behind all else.
    Error(ErrorEvent),
    /// Once, behind all steps of a build that succeeded.
    Done(DoneEvent),
    /// All steps come once more behind it, as they are at the end.
    Summary(SummaryEvent),
}

pub type StepEvent = StepRecord;
pub type WarningEvent = WarningRecord;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEvent {
    /// From 1.
    pub step: u32,
    pub stream: Stream,
    /// The guest's clock; `None` where it did not tell.
    pub time: Option<SystemTime>,
    pub data: Bytes,
}

/// Of a part of a step: a layer that is pulled, what is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressEvent {
    /// From 1.
    pub step: u32,
    pub id: String,
    pub current: u64,
    /// `None`: not known.
    pub total: Option<u64>,
    pub started_at: Option<SystemTime>,
    pub completed_at: Option<SystemTime>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorEvent {
    /// In the engine's words.
    pub message: String,
    /// The one that failed, if one did.
    pub step: Option<u32>,
    /// Where in the Dockerfile; empty where it is not known.
    pub file: String,
    /// From 1; 0: not known, as in the next.
    pub first_line: u32,
    pub last_line: u32,
    pub excerpt: String,
    /// The output's disk that had no room left, by its serial.
    pub full_disk: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoneEvent {
    /// As the engine says; empty where nothing was exported that has one.
    pub digest: String,
    /// JSON; empty where there is none, or it was too long.
    pub metadata: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryEvent {
    pub steps: u32,
    /// Over the bound, and not told of.
    pub more_steps: u32,
}

#[cfg(test)]
mod tests;
