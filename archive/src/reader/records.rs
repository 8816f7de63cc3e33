//! Maps of files with holes in PAX headers, as GNU tar and Python write them in three ways:
//!
//! | format | the map | the name |
//! |---|---|---|
//! | 0.0 | a pair of `GNU.sparse.offset` and `GNU.sparse.numbytes` for each segment | its own |
//! | 0.1 | `GNU.sparse.map`, numbers between commas | `GNU.sparse.name` |
//! | 1.0 | before the data, in whole blocks: their number, then pairs, a line each | `GNU.sparse.name` |

use std::io::Read;

use super::{BLOCK, InvalidMap, Map, ReadError, Reader, pax::decimal, sparse::SEGMENTS};

/// What the records of one header say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holes {
    pub(super) name: Option<Vec<u8>>,
    version: (Option<u64>, Option<u64>),
    /// `GNU.sparse.size`, and in 1.0 `GNU.sparse.realsize`.
    size: Option<u64>,
    real_size: Option<u64>,
    count: Option<u64>,
    /// Of 0.0 and 0.1.
    numbers: Vec<u64>,
    has_pairs: bool,
    has_map: bool,
}

impl Holes {
    /// Whether a key that begins with `GNU.sparse.` is one of those, its value makes sense and it stands
    /// where it may.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) -> Option<()> {
        match key {
            b"major" => self.version.0 = Some(decimal(value)?),
            b"minor" => self.version.1 = Some(decimal(value)?),
            b"name" => self.name = Some(super::pax::name(value)?),
            b"size" => self.size = Some(decimal(value)?),
            b"realsize" => self.real_size = Some(decimal(value)?),
            b"numblocks" => self.count = Some(decimal(value)?),
            b"offset" | b"numbytes" => {
                let is_offset = self.numbers.len().is_multiple_of(2);
                if is_offset != (key == b"offset") || self.numbers.len() == 2 * SEGMENTS {
                    return None;
                }
                self.has_pairs = true;
                self.numbers.push(decimal(value)?);
            }
            b"map" => {
                self.has_map = true;
                let numbers = value.split(|&byte| byte == b',');
                self.numbers =
                    numbers.take(2 * SEGMENTS + 2).map(decimal).collect::<Option<_>>()?;
            }
            _ => return None,
        }
        Some(())
    }

    /// The size of a file of 1.0, `None` for the two others.
    fn modern(&self) -> Result<Option<u64>, InvalidMap> {
        let Self { name, version, size, real_size, count, has_pairs, has_map, .. } = self;
        match (version, size, real_size) {
            ((Some(1), Some(0)), None, Some(size))
                if name.is_some() && count.is_none() && !has_pairs && !has_map =>
            {
                Ok(Some(*size))
            }
            ((None, None), Some(_), None)
                if has_pairs != has_map && *has_map == name.is_some() && count.is_some() =>
            {
                Ok(None)
            }
            _ => Err(InvalidMap::Records),
        }
    }
}

impl<R: Read> Reader<R> {
    /// Of the file whose body begins now, and whose header stood at `offset`.
    pub(super) fn pax_map(&mut self, holes: Holes, offset: u64) -> Result<Map, ReadError> {
        let wrong = |source| ReadError::Map { offset, source };
        let map = match holes.modern().map_err(wrong)? {
            Some(size) => self.map_of_blocks(size, offset)?,
            None => {
                let Holes { size, count, numbers, .. } = holes;
                let mut map = Map::empty(size.unwrap_or_default());
                let pairs = numbers.chunks_exact(2);
                let is_whole = pairs.remainder().is_empty();
                if !is_whole || count != Some(pairs.len() as u64) {
                    return Err(wrong(InvalidMap::Records));
                }
                for pair in pairs {
                    if let &[offset, length] = pair {
                        map.push_after_empty(offset, length).map_err(wrong)?;
                    }
                }
                map
            }
        };
        map.check(self.body).map_err(wrong)?;
        Ok(map)
    }

    /// What stands before the data of 1.0, of which `body` then has no more.
    fn map_of_blocks(&mut self, size: u64, offset: u64) -> Result<Map, ReadError> {
        let wrong = |source| ReadError::Map { offset, source };
        let mut lines = Lines { block: [0; BLOCK], at: BLOCK };
        let count = self.line(&mut lines, offset)?;
        if count > SEGMENTS as u64 {
            return Err(wrong(InvalidMap::TooMany));
        }
        let mut map = Map::empty(size);
        for _ in 0..count {
            let (start, length) = (self.line(&mut lines, offset)?, self.line(&mut lines, offset)?);
            map.push_after_empty(start, length).map_err(wrong)?;
        }
        if lines.block[lines.at..].iter().any(|&byte| byte != 0) {
            return Err(wrong(InvalidMap::Gap));
        }
        Ok(map)
    }

    fn line(&mut self, lines: &mut Lines, offset: u64) -> Result<u64, ReadError> {
        let wrong = |source| ReadError::Map { offset, source };
        let mut digits = Vec::with_capacity(20);
        loop {
            if lines.at == BLOCK {
                self.body = (self.body.checked_sub(BLOCK as u64))
                    .ok_or_else(|| wrong(InvalidMap::Records))?;
                lines.block = self.block()?;
                lines.at = 0;
            }
            let byte = lines.block[lines.at];
            lines.at += 1;
            if byte == b'\n' {
                let number = decimal(&digits);
                return number.ok_or_else(|| wrong(InvalidMap::Number { field: "map" }));
            }
            digits.push(byte);
            if digits.len() > 20 {
                return Err(wrong(InvalidMap::Number { field: "map" }));
            }
        }
    }
}

struct Lines {
    block: [u8; BLOCK],
    at: usize,
}
