//! Which patterns there are at all: what docker refuses is refused here in the same way.

use super::text::first;

/// Ranges are whole, and nothing is escaped at the end.
pub(super) fn is_valid(pattern: &[u8]) -> bool {
    chunks(pattern).all(|chunk| check(chunk).is_some())
}

/// Between stars, but for those in a range.
fn chunks(mut pattern: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        while let Some(rest) = pattern.strip_prefix(b"*") {
            pattern = rest;
        }
        if pattern.is_empty() {
            return None;
        }
        let (mut at, mut in_range) = (0, false);
        while at < pattern.len() {
            match pattern[at] {
                b'\\' => at += 1,
                b'[' => in_range = true,
                b']' => in_range = false,
                b'*' if !in_range => break,
                _ => {}
            }
            at += 1;
        }
        let (chunk, rest) = pattern.split_at(at.min(pattern.len()));
        pattern = rest;
        Some(chunk)
    })
}

fn check(mut chunk: &[u8]) -> Option<()> {
    while let Some((&byte, rest)) = chunk.split_first() {
        chunk = match byte {
            b'[' => range(rest)?,
            b'\\' => rest.split_first()?.1,
            _ => rest,
        };
    }
    Some(())
}

/// What follows it.
fn range(chunk: &[u8]) -> Option<&[u8]> {
    let mut chunk = chunk.strip_prefix(b"^").unwrap_or(chunk);
    let mut is_empty = true;
    loop {
        if let (Some(rest), false) = (chunk.strip_prefix(b"]"), is_empty) {
            return Some(rest);
        }
        chunk = bound(chunk)?;
        if let Some(rest) = chunk.strip_prefix(b"-") {
            chunk = bound(rest)?;
        }
        is_empty = false;
    }
}

fn bound(chunk: &[u8]) -> Option<&[u8]> {
    let chunk = match chunk.first()? {
        b'-' | b']' => return None,
        b'\\' => &chunk[1..],
        _ => chunk,
    };
    let (character, length) = first(chunk)?;
    let is_broken = character == char::REPLACEMENT_CHARACTER && length == 1;
    let rest = &chunk[length..];
    (!is_broken && !rest.is_empty()).then_some(rest)
}
