//! A build's events on their way into its log, and its graph on its way to those who watch.
//!
//! ```text
//! bytes ─▶ cut ─▶ checked ─┬─▶ the log: each a record of its own
//!                          └─▶ graph ─▶ published, not more often than can be looked at
//! ```

mod tail;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use self::tail::Tail;
use super::{
    event::{ErrorEvent, Event, StepEvent},
    frame::{self, Cutter, FrameError},
    graph::{Graph, Live},
    reader::{Entry, ReadError, Reader},
    record::BuildRecord,
};
use crate::{
    log::{AppendError, Log, LogWriter},
    stream::Stream,
};

/// Between two graphs that are published: each is a copy.
const PACE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub struct Tracker {
    cutter: Cutter,
    graph: Graph,
    tail: Tail,
    live: watch::Sender<Arc<BuildRecord>>,
    /// When what has changed may be published; `None`: nothing has.
    due: Option<Instant>,
    published_at: Instant,
}

/// Why what a guest said is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error(transparent)]
    Log(#[from] AppendError),
}

impl Tracker {
    /// Of a build that begins, or of one of which an earlier kilnd wrote the log: its graph is as it
    /// was, but for what the log's quota dropped.
    pub async fn of(log: &Log) -> Result<Self, ReadError> {
        let mut tracker = Self {
            cutter: Cutter::new(),
            graph: Graph::new(),
            tail: Tail::default(),
            live: watch::Sender::default(),
            due: None,
            published_at: Instant::now(),
        };
        let mut reader = Reader::new(log, 0);
        while let Some(entry) = reader.next_stored().await? {
            if let Entry::Event { event, .. } = entry {
                tracker.apply(&event);
            }
        }
        tracker.publish();
        Ok(tracker)
    }

    pub fn live(&self) -> Live {
        self.live.subscribe()
    }

    /// Puts what came next into the log, as far as it makes whole events.
    ///
    /// # Cancel safety
    /// Not safe: what was not put there yet is lost.
    pub async fn append(&mut self, data: Bytes, log: &mut LogWriter) -> Result<(), TrackError> {
        let pushed = self.cutter.push(data);
        while let Some(frame) = self.cutter.next() {
            let event = frame::decode(&frame)?;
            log.append(Stream::Stdout, &frame).await?;
            self.apply(&event);
            if self.due.is_some_and(|due| due <= Instant::now()) {
                self.publish();
            }
        }
        Ok(pushed?)
    }

    fn apply(&mut self, event: &Event) {
        if let Event::Log(log) = event {
            self.tail.push(&log.data);
        }
        if self.graph.apply(event) && self.due.is_none() {
            self.due = Some(self.published_at + PACE);
        }
    }

    /// When [`Self::publish`] has something to do; never when it is `None`.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    pub fn publish(&mut self) {
        if self.due.take().is_some() {
            self.published_at = Instant::now();
            self.live.send_replace(Arc::new(self.graph.snapshot()));
        }
    }

    /// Why it failed, as the guest tells it, and the step that did.
    pub fn error(&self) -> Option<(&ErrorEvent, Option<&StepEvent>)> {
        let error = self.graph.error()?;
        Some((error, error.step.and_then(|number| self.graph.step_at(number))))
    }

    /// The end of what its steps wrote.
    pub fn tail(&self) -> Vec<u8> {
        self.tail.to_vec()
    }

    /// Puts what the guest tells into a record in which there is more.
    pub fn record_into(&self, record: &mut BuildRecord) {
        let BuildRecord { steps, more_steps, warnings, more_warnings, .. } = self.graph.snapshot();
        record.steps = steps;
        record.more_steps = more_steps;
        record.warnings = warnings;
        record.more_warnings = more_warnings;
    }
}

#[cfg(test)]
mod tests;
