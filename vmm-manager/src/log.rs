//! The stored log of one job: what it wrote, in order, on the host's disk and within a quota.
//!
//! A log is a row of segment files of framed records. The first segment is the head and is kept
//! for ever; behind it two segments take turns as the tail, so when the quota is reached the
//! middle goes and the end stays. Offsets count bytes of output, both streams together; a reader
//! that meets dropped bytes is told how many. One writer, any number of readers; a reader never
//! slows the writer down.

mod reader;
mod record;
mod writer;

use std::{path::PathBuf, sync::Arc};

use tokio::sync::watch;

pub use self::{
    reader::{LogEvent, LogReader},
    writer::LogWriter,
};

/// How much of a log is kept, in bytes of its files.
#[derive(Clone, Copy, Debug)]
pub struct LogQuota {
    pub head_bytes: u64,
    /// Of each of the two tail segments.
    pub tail_segment_bytes: u64,
}

impl Default for LogQuota {
    fn default() -> Self {
        Self { head_bytes: 16 << 20, tail_segment_bytes: 8 << 20 }
    }
}

/// What a log holds, as it stands in the job's record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogSummary {
    pub end_offset: u64,
    pub dropped_bytes: u64,
}

/// The readers' side of a log.
#[derive(Clone, Debug)]
pub struct Log {
    directory: Arc<PathBuf>,
    state: watch::Receiver<LogState>,
}

impl Log {
    pub fn summary(&self) -> LogSummary {
        self.state.borrow().summary()
    }

    /// Reads from an offset; past the end there is nothing, until more is written.
    pub fn read_from(&self, offset: u64) -> LogReader {
        LogReader::new(self.clone(), offset)
    }
}

/// What readers know of the writer. Published after the bytes are in the file, so whatever the
/// state names can be read.
#[derive(Clone, Debug, Default)]
struct LogState {
    /// In order of offset; a hole between two is what was dropped.
    segments: Vec<Segment>,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// The offset of the first byte of output.
    start: u64,
    /// Behind the last byte of output.
    end: u64,
    /// Bytes of the file, frames included.
    file_bytes: u64,
}

impl LogState {
    fn end(&self) -> u64 {
        self.segments.last().map_or(0, |segment| segment.end)
    }

    fn summary(&self) -> LogSummary {
        let kept: u64 = self.segments.iter().map(|segment| segment.end - segment.start).sum();
        LogSummary { end_offset: self.end(), dropped_bytes: self.end() - kept }
    }
}

fn segment_path(directory: &std::path::Path, number: u64) -> PathBuf {
    directory.join(format!("log.{number}"))
}

#[cfg(test)]
mod tests;
