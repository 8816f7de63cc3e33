//! The one reader that the writer of a log waits for.
//!
//! ```text
//!            pin                   hold
//! Free ────────────▶ Reader ────────────────▶ Expected ──deadline──▶ Free
//!   ▲   expect_until ────────────▶ Expected ──pin──▶ Reader
//!   └── dropped, detached ──┘
//! ```

use std::io;

use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

use super::{Log, LogEvent, LogReader};

/// How far the writer gets ahead of a pinned reader, in bytes of output.
pub const ATTACH_WINDOW: u64 = 512 * 1024;

/// Who is waited for.
#[derive(Debug, Default)]
pub(super) struct Pin {
    state: watch::Sender<PinState>,
}

#[derive(Clone, Copy, Debug, Default)]
struct PinState {
    /// Of the last reader that was pinned: it is replaced once this is another's.
    serial: u64,
    /// How far a pinned reader has come, once there was one.
    position: Option<u64>,
    waits: Waits,
}

#[derive(Clone, Copy, Debug, Default)]
enum Waits {
    #[default]
    Free,
    /// For the reader with that serial.
    Reader,
    Expected {
        until: Instant,
    },
}

impl Pin {
    /// Waits until a record may be appended at `end` that drops what lies before `drops_before`.
    pub(super) async fn room(&self, end: u64, drops_before: u64) {
        let mut changes = self.state.subscribe();
        loop {
            let PinState { position, waits, .. } = *changes.borrow_and_update();
            let position = position.unwrap_or(end);
            if end.saturating_sub(position) <= ATTACH_WINDOW && drops_before <= position {
                return;
            }
            match waits {
                Waits::Free => return,
                // The sender is ours: it outlives this.
                Waits::Reader => drop(changes.changed().await),
                Waits::Expected { until } => tokio::select! {
                    _ = changes.changed() => {}
                    () = sleep_until(until) => return,
                },
            }
        }
    }

    /// The serial of a new reader that begins at `position`.
    fn take(&self, position: u64) -> u64 {
        let mut serial = 0;
        self.state.send_modify(|state| {
            state.serial += 1;
            state.position = Some(position);
            state.waits = Waits::Reader;
            serial = state.serial;
        });
        serial
    }

    fn advance(&self, serial: u64, position: u64) {
        self.state.send_if_modified(|state| {
            let is_ours = state.serial == serial;
            if is_ours {
                state.position = Some(position);
            }
            is_ours
        });
    }

    /// What is waited for instead of the reader with that serial, if that one is.
    fn hand_over(&self, serial: u64, next: Waits) {
        self.state.send_if_modified(|state| {
            let is_ours = state.serial == serial && matches!(state.waits, Waits::Reader);
            if is_ours {
                state.waits = next;
            }
            is_ours
        });
    }

    pub(super) fn expect(&self, end: u64, until: Instant) {
        self.state.send_if_modified(|state| {
            let is_free = !matches!(state.waits, Waits::Reader);
            if is_free {
                state.position.get_or_insert(end);
                state.waits = Waits::Expected { until };
            }
            is_free
        });
    }

    pub(super) fn detach(&self) {
        self.state.send_modify(|state| state.waits = Waits::Free);
    }
}

/// Why a pinned reader is told nothing more.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    #[error("another reader has taken the place")]
    Replaced,
    #[error("the log cannot be read")]
    Read(#[source] io::Error),
}

/// A reader that the writer waits for, until it is dropped.
#[derive(Debug)]
pub struct PinnedReader {
    reader: LogReader,
    serial: u64,
    changes: watch::Receiver<PinState>,
}

impl PinnedReader {
    pub(super) fn new(log: &Log, offset: u64) -> Self {
        let serial = log.shared.pin.take(offset);
        let changes = log.shared.pin.state.subscribe();
        Self { reader: log.read_from(offset), serial, changes }
    }

    /// The next event, waiting for it, or `None` when the log is closed and read to its end. What
    /// was handed out counts as read.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
    pub async fn next(&mut self) -> Result<Option<LogEvent>, PinError> {
        let serial = self.serial;
        let event = tokio::select! {
            biased;
            _ = self.changes.wait_for(|state| state.serial != serial) => {
                return Err(PinError::Replaced);
            }
            event = self.reader.next_followed() => event.map_err(PinError::Read)?,
        };
        self.pin().advance(serial, self.reader.offset());
        Ok(event)
    }

    /// The client has gone and is expected back: the writer waits as if it were there, and read
    /// nothing.
    pub fn hold(self, until: Instant) {
        self.pin().hand_over(self.serial, Waits::Expected { until });
    }

    fn pin(&self) -> &Pin {
        &self.reader.log().shared.pin
    }
}

impl Drop for PinnedReader {
    fn drop(&mut self) {
        // Finds nothing to do where it was replaced, detached or held.
        self.pin().hand_over(self.serial, Waits::Free);
    }
}
