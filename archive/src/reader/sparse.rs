//! Files with holes: a map says where data is, and the data follows segment by segment.
//!
//! In GNU's old format four segments stand in the header itself, and 21 more in each block behind it;
//! for the formats in PAX headers see [`records`](super::records). Each map ends with the file: where its last byte is no data, an empty segment stands there. GNU tar itself
//! cuts the file where its map ends, others where the header says, and it fills each segment up to
//! whole blocks, which others do not. So both have to be the same.

use std::io::Read;

use super::{BLOCK, ReadError, Reader, header::signed};
use crate::MemberPath;

/// Of one file: twice what the agent writes, and less than a MiB of memory while it grows.
pub(super) const SEGMENTS: usize = 32 << 10;
/// Where the header has its map, the mark that there is more, and the size of the file.
const MAP: std::ops::Range<usize> = 386..482;
const MORE: usize = 482;
const SIZE: std::ops::Range<usize> = 483..495;
/// The same in the blocks behind it.
const FURTHER_MAP: std::ops::Range<usize> = 0..504;
const FURTHER_MORE: usize = 504;
/// Of one segment: an offset and a length, of twelve bytes each.
const SLOT: usize = 24;

/// Where a file has data, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// In order, and none reaches into the next.
    pub segments: Vec<Segment>,
    /// Of the file, with its holes.
    pub size: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub offset: u64,
    pub length: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMap {
    #[error("its number `{field}` is none that all readers agree on")]
    Number { field: &'static str },
    #[error("its records are not those of one of the formats that there are")]
    Records,
    #[error("it has a gap, or something behind its end")]
    Gap,
    #[error("its segments overlap, or are out of order")]
    Order,
    #[error("a segment that others follow does not fill whole blocks, or is empty")]
    Unaligned,
    #[error("it reaches beyond the file's {size} bytes")]
    Beyond { size: u64 },
    #[error("it ends at byte {end}, and the file at {size}")]
    Ends { end: u64, size: u64 },
    #[error("it has {mapped} bytes, and the archive {data}")]
    Sum { mapped: u64, data: u64 },
    #[error("it has more than {SEGMENTS} segments")]
    TooMany,
}

impl<R: Read> Reader<R> {
    /// Of a header at `offset` with `data` bytes in the archive; the blocks of its map are read.
    pub(super) fn map(
        &mut self,
        header: &[u8; BLOCK],
        data: u64,
        offset: u64,
    ) -> Result<Map, ReadError> {
        let wrong = |source| ReadError::Map { offset, source };
        let size = number("realsize", &header[SIZE]).map_err(wrong)?;
        let mut map = Map::empty(size);
        let mut has_more = map.take(&header[MAP], header[MORE]).map_err(wrong)?;
        while has_more {
            let block = self.block()?;
            if block[0] == 0 || block[FURTHER_MORE + 1..].iter().any(|&byte| byte != 0) {
                return Err(wrong(InvalidMap::Gap));
            }
            has_more = map.take(&block[FURTHER_MAP], block[FURTHER_MORE]).map_err(wrong)?;
        }
        map.check(data).map_err(wrong)?;
        Ok(map)
    }

    /// A segment takes a block of the disk, however short it is, so it counts as a member does.
    pub(super) fn count_holes(&mut self, path: &MemberPath, map: &Map) -> Result<u64, ReadError> {
        self.members += map.segments.len() as u64;
        if self.members > self.limits.entries {
            return Err(ReadError::TooMany { limit: self.limits.entries });
        }
        let (holes, limit) = (map.size - map.data(), self.limits.holes);
        let left = limit - self.holes;
        if holes > left {
            return Err(ReadError::TooHollow { path: path.shown(), holes, left, limit });
        }
        self.holes += holes;
        Ok(map.size)
    }
}

impl Map {
    pub(super) fn empty(size: u64) -> Self {
        Self { segments: Vec::new(), size }
    }

    /// What all segments have together.
    pub fn data(&self) -> u64 {
        // Below the size, for none overlaps.
        self.segments.iter().map(|segment| segment.length).sum()
    }

    fn end(&self) -> u64 {
        self.segments.last().map_or(0, |last| last.offset + last.length)
    }

    /// What stands in one block. Whether another follows, which only a full one says.
    fn take(&mut self, slots: &[u8], more: u8) -> Result<bool, InvalidMap> {
        let mut is_full = true;
        for slot in slots.chunks_exact(SLOT) {
            if slot.iter().all(|&byte| byte == 0) {
                is_full = false;
            } else if is_full {
                let (offset, length) = slot.split_at(SLOT / 2);
                self.push(number("offset", offset)?, number("numbytes", length)?)?;
            } else {
                return Err(InvalidMap::Gap);
            }
        }
        match more {
            0 => Ok(false),
            1 if is_full => Ok(true),
            1 => Err(InvalidMap::Gap),
            _ => Err(InvalidMap::Number { field: "isextended" }),
        }
    }

    /// The same where an empty segment need not be the last one: libarchive begins with one where a
    /// file is all hole.
    pub(super) fn push_after_empty(&mut self, offset: u64, length: u64) -> Result<(), InvalidMap> {
        if offset < self.end() {
            return Err(InvalidMap::Order);
        }
        self.segments.pop_if(|last| last.length == 0);
        self.push(offset, length)
    }

    /// Neither is above what an `i64` takes.
    pub(super) fn push(&mut self, offset: u64, length: u64) -> Result<(), InvalidMap> {
        let segment = Segment { offset, length };
        if self.segments.len() == SEGMENTS {
            return Err(InvalidMap::TooMany);
        }
        if segment.offset < self.end() {
            return Err(InvalidMap::Order);
        }
        if segment.offset + segment.length > self.size {
            return Err(InvalidMap::Beyond { size: self.size });
        }
        if let Some(last) = self.segments.last() {
            let is_whole = last.length > 0 && last.length.is_multiple_of(BLOCK as u64);
            if !is_whole && (segment.length > 0 || last.length == 0) {
                return Err(InvalidMap::Unaligned);
            }
        }
        self.segments.push(segment);
        Ok(())
    }

    pub(super) fn check(&self, data: u64) -> Result<(), InvalidMap> {
        let (end, size, mapped) = (self.end(), self.size, self.data());
        if end != size || self.segments.is_empty() {
            return Err(InvalidMap::Ends { end, size });
        }
        if mapped != data {
            return Err(InvalidMap::Sum { mapped, data });
        }
        Ok(())
    }
}

fn number(field: &'static str, bytes: &[u8]) -> Result<u64, InvalidMap> {
    let number = signed(bytes).and_then(|number| u64::try_from(number).ok());
    number.ok_or(InvalidMap::Number { field })
}
