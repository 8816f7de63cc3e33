//! One file of a log: `kilnlog1 | number u64 | start u64 | head_end u64 | salt u32 | checksum u32`,
//! little-endian, then records.
//!
//! A segment's header tells where its output begins, and where the head's ends: so the hole that
//! the quota made between the two is known from the files alone.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use super::record::{Content, HEADER_BYTES, MAX_DATA_BYTES, Place, RecordHeader};

pub(super) const SEGMENT_HEADER_BYTES: usize = 40;
const MAGIC: &[u8; 8] = b"kilnlog1";
/// Of the magic: the rest is the version.
const NAME_BYTES: usize = 7;
const BLOCK_BYTES: usize = 256 * 1024;

/// What is known of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// 0 is the head.
    pub(super) number: u64,
    /// The offset of the first byte of output.
    pub(super) start: u64,
    /// Behind the last byte of output.
    pub(super) end: u64,
    /// Bytes of the file, frames included.
    pub(super) file_bytes: u64,
    /// Of its records' checksums.
    pub(super) salt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) start: u64,
    /// Of the head itself: its start.
    pub(super) head_end: u64,
    pub(super) salt: u32,
}

/// What the first bytes of a segment's file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begin {
    Whole(SegmentHeader),
    /// Cut off or zeros, as a file is whose writer was killed.
    Torn,
    /// Of a kilnd with another format.
    Foreign,
}

impl Segment {
    /// Where the next record belongs.
    pub(super) fn end_place(&self) -> Place {
        Place { salt: self.salt, offset: self.end }
    }
}

impl SegmentHeader {
    pub(super) fn encode(self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.start.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.head_end.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.salt.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..36]);
        bytes[36..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Begin {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let (name, version) = (&bytes[..NAME_BYTES], bytes[NAME_BYTES]);
        if *name == MAGIC[..NAME_BYTES] && version.is_ascii_digit() && version != MAGIC[NAME_BYTES]
        {
            return Begin::Foreign;
        }
        if bytes[..8] != MAGIC[..] || bytes[36..] != crc32fast::hash(&bytes[..36]).to_le_bytes() {
            return Begin::Torn;
        }
        let salt = u32::from_le_bytes([bytes[32], bytes[33], bytes[34], bytes[35]]);
        Begin::Whole(Self { number: word(8), start: word(16), head_end: word(24), salt })
    }
}

pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("log.{number}"))
}

/// The numbers of the segments in `directory`, in order. A directory that is not there yet has none.
pub(super) fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("log."));
        // No other spelling of a number is a name of ours.
        let number = number
            .and_then(|text| text.parse::<u64>().ok().filter(|number| number.to_string() == text));
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

pub(super) fn begin(file: &File) -> io::Result<Begin> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(SegmentHeader::decode(&bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Begin::Torn),
        Err(error) => Err(error),
    }
}

/// Reads the records behind `header` as far as they are whole.
pub(super) fn scan(file: &File, header: SegmentHeader) -> io::Result<Segment> {
    let mut segment = Segment {
        number: header.number,
        start: header.start,
        end: header.start,
        file_bytes: SEGMENT_HEADER_BYTES as u64,
        salt: header.salt,
    };
    // As much as the longest record, beyond the block that it begins in.
    let mut buffer = vec![0; BLOCK_BYTES + HEADER_BYTES + MAX_DATA_BYTES];
    loop {
        let filled = read_up_to(file, &mut buffer, segment.file_bytes)?;
        let whole = filled < buffer.len();
        let mut rest = &buffer[..filled];
        while whole || filled - rest.len() < BLOCK_BYTES {
            let header = rest.first_chunk().and_then(RecordHeader::decode);
            let record = header.and_then(|header| {
                let record = rest.get(..header.record_bytes())?;
                let output = matches!(header.content, Content::Output { .. });
                (output && header.vouches_for(segment.end_place(), record)).then_some(record)
            });
            let Some(record) = record else { return Ok(segment) };
            segment.end += (record.len() - HEADER_BYTES) as u64;
            segment.file_bytes += record.len() as u64;
            rest = &rest[record.len()..];
        }
    }
}

fn read_up_to(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// The whole of the last segment of a sealed log, as the record at its end tells it.
pub(super) fn sealed(file: &File, header: SegmentHeader) -> io::Result<Option<Segment>> {
    let SegmentHeader { number, start, head_end: _, salt } = header;
    let length = file.metadata()?.len();
    let Some(position) = length.checked_sub(HEADER_BYTES as u64) else { return Ok(None) };
    let mut bytes = [0; HEADER_BYTES];
    file.read_exact_at(&mut bytes, position)?;
    Ok(RecordHeader::decode(&bytes).and_then(|header| match header.content {
        Content::End { offset } => {
            let place = Place { salt, offset };
            let segment = Segment { number, start, end: offset, file_bytes: position, salt };
            (header.vouches_for(place, &bytes) && offset >= start).then_some(segment)
        }
        Content::Output { .. } => None,
    }))
}
