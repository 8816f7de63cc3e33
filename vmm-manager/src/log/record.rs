//! One record of a segment: `checksum u32 | length u32 | kind u8 | time u64`, little-endian, then
//! the bytes.
//!
//! The checksum is a CRC-32 over the record's place, the rest of its header, and its bytes. So
//! neither zeros nor what once stood elsewhere is taken for a record; nor is what a job wrote to look
//! like one, since no job knows its log's salt.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crc32fast::Hasher;

use crate::stream::Stream;

pub(super) const HEADER_BYTES: usize = 17;
/// Far more than any caller's chunk: a length beyond it is not believed.
pub(super) const MAX_DATA_BYTES: usize = 1 << 20;

const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// Closes a sealed log; in place of the time stands the log's end.
const END: u8 = 3;

/// Where a record belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the segment.
    pub(super) salt: u32,
    /// In the output.
    pub(super) offset: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    checksum: u32,
    pub(super) length: u32,
    pub(super) content: Content,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Output { stream: Stream, time: SystemTime },
    End { offset: u64 },
}

/// What stands before `data`. The caller keeps to [`MAX_DATA_BYTES`].
pub(super) fn header(
    place: Place,
    stream: Stream,
    time: SystemTime,
    data: &[u8],
) -> [u8; HEADER_BYTES] {
    let nanos = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let kind = match stream {
        Stream::Stdout => STDOUT,
        Stream::Stderr => STDERR,
    };
    // Enough until the year 2554.
    encode(place, kind, u64::try_from(nanos).unwrap_or(u64::MAX), data)
}

/// The record that closes a log that ends at `place`.
pub(super) fn end(place: Place) -> [u8; HEADER_BYTES] {
    encode(place, END, place.offset, &[])
}

fn encode(place: Place, kind: u8, word: u64, data: &[u8]) -> [u8; HEADER_BYTES] {
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut bytes = [0; HEADER_BYTES];
    bytes[4..8].copy_from_slice(&length.to_le_bytes());
    bytes[8] = kind;
    bytes[9..].copy_from_slice(&word.to_le_bytes());
    let checksum = checksum(place, &bytes[4..], data);
    bytes[..4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn checksum(place: Place, header: &[u8], data: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(place.salt);
    hasher.update(&place.offset.to_le_bytes());
    hasher.update(header);
    hasher.update(data);
    hasher.finalize()
}

impl RecordHeader {
    /// `None` when the bytes are no header.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let [c0, c1, c2, c3, l0, l1, l2, l3, kind, word @ ..] = *bytes;
        let word = u64::from_le_bytes(word);
        let output =
            |stream| Content::Output { stream, time: UNIX_EPOCH + Duration::from_nanos(word) };
        let content = match kind {
            STDOUT => output(Stream::Stdout),
            STDERR => output(Stream::Stderr),
            END => Content::End { offset: word },
            _ => return None,
        };
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let fits = match content {
            Content::Output { .. } => (1..=MAX_DATA_BYTES).contains(&(length as usize)),
            Content::End { .. } => length == 0,
        };
        let checksum = u32::from_le_bytes([c0, c1, c2, c3]);
        fits.then_some(Self { checksum, length, content })
    }

    pub(super) fn record_bytes(&self) -> usize {
        HEADER_BYTES + self.length as usize
    }

    /// Whether `record`, header and all, is the one that was written at `place`.
    pub(super) fn vouches_for(&self, place: Place, record: &[u8]) -> bool {
        let (header, data) = record.split_at(HEADER_BYTES);
        checksum(place, &header[4..], data) == self.checksum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { salt: 1 << 31, offset: 7 };

    fn decoded(bytes: &[u8], place: Place) -> bool {
        let header = bytes.first_chunk().and_then(RecordHeader::decode);
        header.is_some_and(|header| {
            bytes.len() >= header.record_bytes()
                && header.vouches_for(place, &bytes[..header.record_bytes()])
        })
    }

    #[test]
    fn a_record_is_itself_at_its_place_and_nowhere_else() {
        let time = UNIX_EPOCH + Duration::from_nanos(1_800_000_000_123_456_789);
        let bytes = [&header(PLACE, Stream::Stderr, time, b"data")[..], b"data"].concat();
        let header = RecordHeader::decode(bytes.first_chunk().unwrap()).unwrap();
        assert_eq!(header.content, Content::Output { stream: Stream::Stderr, time });
        assert!(decoded(&bytes, PLACE));
        assert!(!decoded(&bytes, Place { offset: 8, ..PLACE }));
        assert!(!decoded(&bytes, Place { salt: 8, ..PLACE }));
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!decoded(&wrong, PLACE), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(!decoded(&bytes[..length], PLACE), "{length} bytes");
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert!(!decoded(&[0; 64], PLACE));
        assert!(!decoded(&[0xff; 64], PLACE));
    }
}
