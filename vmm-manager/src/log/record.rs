//! One record of a segment: `length u32 | stream u8 | time u64`, little-endian, then the bytes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::stream::Stream;

pub(super) const HEADER_BYTES: usize = 13;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) length: u32,
    pub(super) stream: Stream,
    pub(super) time: SystemTime,
}

impl RecordHeader {
    pub(super) fn encode(self) -> [u8; HEADER_BYTES] {
        let nanos = self.time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&self.length.to_le_bytes());
        bytes[4] = match self.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        // Enough until the year 2554.
        bytes[5..].copy_from_slice(&u64::try_from(nanos).unwrap_or(u64::MAX).to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no header: the file is not ours any more.
    pub(super) fn decode(bytes: [u8; HEADER_BYTES]) -> Option<Self> {
        let [a, b, c, d, stream, time @ ..] = bytes;
        let stream = match stream {
            1 => Stream::Stdout,
            2 => Stream::Stderr,
            _ => return None,
        };
        let time = UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(time));
        Some(Self { length: u32::from_le_bytes([a, b, c, d]), stream, time })
    }
}
