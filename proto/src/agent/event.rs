//! A build's events as they stand one behind the other in its output: each behind its length.

use std::{error, fmt};

use prost::Message as _;

use super::v1::BuildEvent;

/// The event with its length before it, at the end of `frames`.
pub fn append(event: &BuildEvent, frames: &mut Vec<u8>) {
    frames.reserve(event.encoded_len() + 5);
    // A vector takes all that is put into it.
    let _ = event.encode_length_delimited(frames);
}

/// How long an event is without its length.
pub fn encoded_len(event: &BuildEvent) -> usize {
    event.encoded_len()
}

/// One event, without its length.
pub fn decode(bytes: &[u8]) -> Result<BuildEvent, Undecodable> {
    BuildEvent::decode(bytes).map_err(Undecodable)
}

/// The bytes are no event.
#[derive(Debug)]
pub struct Undecodable(prost::DecodeError);

impl fmt::Display for Undecodable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl error::Error for Undecodable {}
