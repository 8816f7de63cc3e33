//! What is looked for: all patterns, sorted, so that those that a text begins with are found by
//! narrowing them down byte by byte. Takes a time that the longest pattern bounds, whatever the text.

use std::{fmt, ops::Range};

use super::{MIN_LINE_BYTES, MIN_VALUE_BYTES, PIECE_BYTES};

pub(in crate::build::progress) struct Secrets {
    /// Sorted, each once.
    patterns: Vec<Box<[u8]>>,
    /// Those that begin with a byte.
    by_first: [Range<u32>; 256],
}

/// What stands at the beginning of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Of the longest pattern there; 0 where there is none.
    pub(super) length: usize,
    /// The text is the beginning of one that is longer than the text.
    pub(super) open: bool,
}

impl Secrets {
    pub(in crate::build::progress) fn new(values: Vec<Vec<u8>>) -> Self {
        let mut patterns = Vec::new();
        for value in values {
            add_value(&value, &mut patterns);
            if let Some(quoted) = quoted(&value) {
                add_value(&quoted, &mut patterns);
            }
        }
        patterns.sort_unstable();
        patterns.dedup();
        let by_first = std::array::from_fn(|first| {
            let before = |bound: usize| {
                let place = patterns.partition_point(|pattern| usize::from(pattern[0]) < bound);
                u32::try_from(place).unwrap_or(u32::MAX)
            };
            before(first)..before(first + 1)
        });
        Self { patterns, by_first }
    }

    pub(in crate::build::progress) fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        !self.by_first[usize::from(byte)].is_empty()
    }

    /// What `text`, which is not empty, begins with.
    pub(super) fn found_in(&self, text: &[u8]) -> Found {
        let Range { start, end } = &self.by_first[usize::from(text[0])];
        let mut left = &self.patterns[*start as usize..*end as usize];
        let mut length = 0;
        for depth in 1.. {
            // All of them have the text's first `depth` bytes, and the shortest comes first.
            match left.first() {
                None => return Found { length, open: false },
                Some(first) if first.len() == depth => {
                    length = depth;
                    left = &left[1..];
                }
                Some(_) => {}
            }
            let Some(next) = text.get(depth) else { break };
            let from = left.partition_point(|pattern| pattern[depth] < *next);
            let to = left.partition_point(|pattern| pattern[depth] <= *next);
            left = &left[from..to];
        }
        Found { length, open: !left.is_empty() }
    }
}

fn add_value(value: &[u8], patterns: &mut Vec<Box<[u8]>>) {
    let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let from = value.iter().position(|byte| !is_line_end(byte)).unwrap_or(value.len());
    let to = value.iter().rposition(|byte| !is_line_end(byte)).map_or(from, |last| last + 1);
    let value = &value[from..to];
    add(value, MIN_VALUE_BYTES, patterns);
    if value.contains(&b'\n') {
        for line in value.split(|byte| *byte == b'\n') {
            add(line.trim_ascii(), MIN_LINE_BYTES, patterns);
        }
    }
}

fn add(text: &[u8], shortest: usize, patterns: &mut Vec<Box<[u8]>>) {
    if text.len() < shortest {
        return;
    }
    let pieces = text.chunks_exact(PIECE_BYTES);
    // The last one ends where the text does.
    let last = &text[text.len().saturating_sub(PIECE_BYTES)..];
    let mut add = |piece: &[u8]| {
        if !piece.trim_ascii().is_empty() {
            patterns.push(piece.into());
        }
    };
    pieces.for_each(&mut add);
    add(last);
}

/// As it stands between Go's quotes, or JSON's, where that is different.
fn quoted(value: &[u8]) -> Option<Vec<u8>> {
    let value = value.trim_ascii_end();
    let mut quoted = Vec::with_capacity(value.len());
    for byte in value {
        match byte {
            b'"' => quoted.extend(b"\\\""),
            b'\\' => quoted.extend(b"\\\\"),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b'\t' => quoted.extend(b"\\t"),
            byte => quoted.push(*byte),
        }
    }
    (quoted != value).then_some(quoted)
}

impl fmt::Debug for Secrets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secrets({} patterns)", self.patterns.len())
    }
}
