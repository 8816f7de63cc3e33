//! Reads a build's log: events instead of bytes.

use std::{io, time::SystemTime};

use super::{
    event::Event,
    frame::{self, FrameError},
};
use crate::log::{Log, LogEvent, LogReader};

/// One thing in a build's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Event {
        offset: u64,
        /// Where the next one is.
        next_offset: u64,
        /// When the host had it.
        time: SystemTime,
        event: Event,
    },
    /// What the quota dropped, from `offset` on: whole events.
    Gap { offset: u64, dropped_bytes: u64 },
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the build's log cannot be read")]
    Log(#[from] io::Error),
    /// Whoever asked made the offset up, if it is the one that was asked for.
    #[error("no event begins at offset {offset} of the build's log")]
    NoEvent { offset: u64, source: FrameError },
}

/// At its own pace, from an offset that an earlier entry named, or 0.
#[derive(Debug)]
pub struct Reader(LogReader);

impl Reader {
    pub fn new(log: &Log, offset: u64) -> Self {
        Self(log.read_from(offset))
    }

    /// Of the next entry.
    pub fn offset(&self) -> u64 {
        self.0.offset()
    }

    /// The next entry that is stored already, or `None` at the end of what there is.
    ///
    /// # Cancel safety
    /// Safe: no entry is lost.
    pub async fn next_stored(&mut self) -> Result<Option<Entry>, ReadError> {
        self.0.next_stored().await?.map(entry).transpose()
    }

    /// The next entry, waiting for it, or `None` when the log is closed and read to its end.
    ///
    /// # Cancel safety
    /// Safe: no entry is lost.
    pub async fn next_followed(&mut self) -> Result<Option<Entry>, ReadError> {
        self.0.next_followed().await?.map(entry).transpose()
    }
}

/// A record is an event, whole.
fn entry(record: LogEvent) -> Result<Entry, ReadError> {
    match record {
        LogEvent::Gap { offset, dropped_bytes } => Ok(Entry::Gap { offset, dropped_bytes }),
        LogEvent::Chunk { offset, time, stream: _, data } => {
            let event = frame::decode(&data);
            let event = event.map_err(|source| ReadError::NoEvent { offset, source })?;
            Ok(Entry::Event { offset, next_offset: offset + data.len() as u64, time, event })
        }
    }
}

#[cfg(test)]
mod tests;
