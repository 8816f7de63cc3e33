//! The stored log of one job: what it wrote, in order, on the host's disk and within a quota.
//!
//! A log is a row of segment files of checksummed records. The first segment is the head and is
//! kept for ever; behind it two segments take turns as the tail, so when the quota is reached the
//! middle goes and the end stays. Offsets count bytes of output, both streams together; a reader
//! that meets dropped bytes is told how many. One writer, any number of readers; a reader never
//! slows the writer down, unless it is the one that is pinned.
//!
//! ```text
//! open ──▶ LogWriter ──append…──▶ seal ──▶ closed     Log ──read_from──▶ LogReader
//!   ▲          │ kilnd is killed                       └──pin──▶ PinnedReader ──hold──▶ expected
//!   └──────────┘
//! ```
//!
//! *Happy path*: appended, sealed (on the disk for good), then the job's end is published. *Failure
//! paths*: a write that fails leaves the log as it was, and is simply made again; a daemon that is
//! killed leaves at most one torn record, which `recover` cuts off; a host that loses power leaves
//! a beginning of the log, never anything else.

mod error;
mod pen;
mod pin;
mod reader;
mod record;
mod recover;
mod segment;
mod survey;
mod writer;

use std::{path::PathBuf, sync::Arc};

use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::Instant,
};

pub use self::{
    error::{AppendError, OpenError},
    pin::{ATTACH_WINDOW, PinError, PinnedReader},
    reader::{LogEvent, LogReader},
    writer::LogWriter,
};
use self::{pin::Pin, segment::Segment};

/// How much of a log is kept, in bytes of its files. A record that is larger than its segment is
/// kept all the same, in one of its own.
#[derive(Clone, Copy, Debug)]
pub struct LogQuota {
    pub head_bytes: u64,
    /// Of each of the two tail segments.
    pub tail_segment_bytes: u64,
}

impl LogQuota {
    /// Of so much altogether: half of it for the head, which the tail's two segments share.
    pub const fn of(bytes: u64) -> Self {
        Self { head_bytes: bytes / 2, tail_segment_bytes: bytes / 4 }
    }
}

impl Default for LogQuota {
    fn default() -> Self {
        Self::of(32 << 20)
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
    shared: Arc<Shared>,
    state: watch::Receiver<LogState>,
}

impl Log {
    /// The log of a job that has ended. Nothing is changed, and of a sealed log only a few bytes
    /// are read.
    pub async fn closed(directory: PathBuf) -> Result<Self, OpenError> {
        let segments = survey::closed(directory.clone()).await?;
        Ok(Self::new(directory, LogState { segments, closed: true }))
    }

    fn new(directory: PathBuf, state: LogState) -> Self {
        let (publisher, state) = watch::channel(state);
        let shared = Shared {
            directory,
            publisher,
            pin: Pin::default(),
            #[cfg(test)]
            faults: tests::Faults::default(),
        };
        Self { shared: Arc::new(shared), state }
    }

    pub fn summary(&self) -> LogSummary {
        self.state.borrow().summary()
    }

    /// Reads from an offset; past the end there is nothing, until more is written.
    pub fn read_from(&self, offset: u64) -> LogReader {
        LogReader::new(self.clone(), offset)
    }

    /// Reads from an offset, and is waited for: nothing that this reader has yet to see is dropped,
    /// and the writer gets no further ahead of it than [`ATTACH_WINDOW`]. There is one such reader
    /// at a time; a new one takes the place.
    pub fn pin(&self, offset: u64) -> PinnedReader {
        PinnedReader::new(self, offset)
    }

    /// Waits for a pinned reader that is to come, or to come back, as if it were there and read
    /// nothing. One that is there stays. It is taken to have read as far as the last one did;
    /// without one, to the end of the log.
    pub fn expect_until(&self, deadline: Instant) {
        self.shared.pin.expect(self.summary().end_offset, deadline);
    }

    /// Waits no more: for the pinned reader, who reads on as any other, or for one that is expected.
    pub fn detach(&self) {
        self.shared.pin.detach();
    }
}

/// What the two sides of a log have in common.
#[derive(Debug)]
struct Shared {
    directory: PathBuf,
    /// Only the writer's pen publishes.
    publisher: watch::Sender<LogState>,
    pin: Pin,
    #[cfg(test)]
    faults: tests::Faults,
}

/// What readers know of the writer. Published after the bytes are in the file, so whatever the
/// state names can be read.
#[derive(Clone, Debug, Default)]
struct LogState {
    /// In order of offset; a hole between two is what was dropped.
    segments: Vec<Segment>,
    closed: bool,
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

/// Does what reads or writes files on a thread that may block.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<JoinError> + Send + 'static,
{
    spawn_blocking(work).await?
}

#[cfg(test)]
mod tests;
