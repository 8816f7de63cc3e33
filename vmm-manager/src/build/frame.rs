//! Cuts a guest's row of events into events: each is its length, as a varint, and a message.
//!
//! ```text
//! … │ length │ BuildEvent │ length │ BuildEvent │ …      (a frame: both)
//! ```
//!
//! What is held of a frame that is not yet whole is no more than the longest frame.

use std::collections::VecDeque;

use bytes::{Buf as _, Bytes, BytesMut};
use kiln_proto::agent::{MAX_BUILD_EVENT_BYTES, event};

use super::event::{Event, InvalidEvent};

/// Of a length within the bound: 32 KiB is of three groups of seven bits.
const MAX_LENGTH_BYTES: usize = 3;
/// The longest frame.
pub const MAX_FRAME_BYTES: usize = MAX_LENGTH_BYTES + MAX_BUILD_EVENT_BYTES;

/// What a guest says is no row of events.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("an event's length is longer than {MAX_LENGTH_BYTES} bytes, or than it need be")]
    LongVarint,
    #[error("an event is empty")]
    Empty,
    #[error("an event is of {length} bytes, over the bound of {MAX_BUILD_EVENT_BYTES}")]
    TooLong { length: usize },
    /// Only `decode` says so: the cutter waits for the rest.
    #[error("a frame of {length} bytes has {found}")]
    NotOne { length: usize, found: usize },
    #[error("an event cannot be decoded: {0}")]
    Undecodable(event::Undecodable),
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
}

/// Bytes in, whole frames out. After an error it is told nothing more.
#[derive(Debug, Default)]
pub struct Cutter {
    whole: VecDeque<Bytes>,
    /// The beginning of a frame that is not whole yet.
    rest: BytesMut,
    /// Of `rest`, once it is known.
    awaited: Option<usize>,
}

impl Cutter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what came next. What was whole before an error can still be had.
    pub fn push(&mut self, mut bytes: Bytes) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            let Some(awaited) = self.awaited else {
                self.begin(&mut bytes)?;
                continue;
            };
            let part = bytes.split_to(bytes.len().min(awaited - self.rest.len()));
            self.rest.extend_from_slice(&part);
            if self.rest.len() == awaited {
                self.whole.push_back(self.rest.split().freeze());
                self.awaited = None;
            }
        }
        Ok(())
    }

    /// At a frame's beginning, or in its length.
    fn begin(&mut self, bytes: &mut Bytes) -> Result<(), FrameError> {
        if self.rest.is_empty()
            && let Some(frame) = frame_length(bytes)?
            && frame <= bytes.len()
        {
            // Nothing is copied of what came whole.
            self.whole.push_back(bytes.split_to(frame));
            return Ok(());
        }
        self.rest.extend_from_slice(&[bytes.get_u8()]);
        self.awaited = frame_length(&self.rest)?;
        Ok(())
    }

    /// The next whole frame, its length included.
    #[expect(clippy::should_implement_trait, reason = "there may be more after a `None`")]
    pub fn next(&mut self) -> Option<Bytes> {
        self.whole.pop_front()
    }

    /// How much there is of a frame that is not whole.
    pub fn partial_bytes(&self) -> usize {
        self.rest.len()
    }
}

/// The event in one whole frame.
pub fn decode(frame: &[u8]) -> Result<Event, FrameError> {
    let found = frame.len();
    let length = frame_length(frame)?.ok_or(FrameError::NotOne { length: found + 1, found })?;
    if length != found {
        return Err(FrameError::NotOne { length, found });
    }
    let message = &frame[length_bytes(frame)..];
    let event = event::decode(message).map_err(FrameError::Undecodable)?;
    Ok(event.try_into()?)
}

fn length_bytes(frame: &[u8]) -> usize {
    frame.iter().take_while(|byte| **byte >= 0x80).count() + 1
}

/// Of the whole frame that begins here, once its length is whole.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, FrameError> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(MAX_LENGTH_BYTES).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if *byte < 0x80 {
            return match length {
                0 if place == 0 => Err(FrameError::Empty),
                _ if *byte == 0 => Err(FrameError::LongVarint),
                _ if length > MAX_BUILD_EVENT_BYTES => Err(FrameError::TooLong { length }),
                _ => Ok(Some(place + 1 + length)),
            };
        }
    }
    if bytes.len() < MAX_LENGTH_BYTES { Ok(None) } else { Err(FrameError::LongVarint) }
}

#[cfg(test)]
pub(in crate::build) mod tests;
