//! Parts of blobs: those that are asked for, and those that are pushed.

use crate::content::Part;

/// What a `Range` header comes to for a blob of a certain size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// There is none, or none that has to be understood: another unit, several parts, no numbers.
    Whole,
    Part(Part),
    /// Nothing of the blob lies there.
    Outside,
}

/// One part and no more: several in one answer are nothing that a registry's clients ask for.
pub fn asked(header: Option<&str>, size: u64) -> Asked {
    let Some(bytes) = header.and_then(|header| header.trim().strip_prefix("bytes=")) else {
        return Asked::Whole;
    };
    let Some((first, last)) = bytes.split_once('-') else { return Asked::Whole };
    let (first, last) = (first.trim(), last.trim());
    let (start, end) = match (number(first), number(last)) {
        (Some(first), Some(last)) => (first, last.saturating_add(1).min(size)),
        (Some(first), None) if last.is_empty() => (first, size),
        // So many from the end.
        (None, Some(length)) if first.is_empty() => (size.saturating_sub(length), size),
        _ => return Asked::Whole,
    };
    match end.checked_sub(start) {
        Some(length @ 1..) => Asked::Part(Part { start, length }),
        _ => Asked::Outside,
    }
}

/// The `Content-Range` of a chunk that is pushed: `0-511`, as the specification has it, or
/// `bytes 0-511/*`, as HTTP has it. From its first byte, so many.
pub fn pushed(header: &str) -> Option<Part> {
    let header = header.trim();
    let range =
        header.strip_prefix("bytes").map_or(header, |range| range.trim_start_matches([' ', '=']));
    let range = range.split_once('/').map_or(range, |(range, _)| range);
    let (first, last) = range.split_once('-')?;
    let (start, last) = (exact(first)?, exact(last)?);
    let length = last.checked_sub(start)?.checked_add(1)?;
    start.checked_add(length).map(|_| Part { start, length })
}

/// More digits than a number can have mean the largest: they lie behind the end of every blob.
fn number(text: &str) -> Option<u64> {
    is_digits(text).then(|| text.parse().unwrap_or(u64::MAX))
}

fn exact(text: &str) -> Option<u64> {
    is_digits(text).then(|| text.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: &str, size: u64, expected: Asked) {
        assert_eq!(asked(Some(header), size), expected, "{header} of {size}");
    }

    fn part(start: u64, length: u64) -> Asked {
        Asked::Part(Part { start, length })
    }

    #[test]
    fn parts_that_are_there() {
        check("bytes=500-1499", 2048, part(500, 1000));
        check("bytes=500-", 2048, part(500, 1548));
        check("bytes=-500", 2048, part(1548, 500));
        check("bytes=2000-5000", 2048, part(2000, 48));
        check("bytes=0-99999999999999999999999", 2048, part(0, 2048));
        check("bytes=-99999999999999999999999", 2048, part(0, 2048));
        check("bytes=0-0", 1, part(0, 1));
        check("bytes= 0 - 0 ", 1, part(0, 1));
    }

    #[test]
    fn parts_that_are_not() {
        for header in ["bytes=500-0", "bytes=5000-10000", "bytes=2048-", "bytes=-0"] {
            check(header, 2048, Asked::Outside);
        }
        check("bytes=18446744073709551615-18446744073709551615", u64::MAX, Asked::Outside);
        check("bytes=99999999999999999999999-", 2048, Asked::Outside);
        check("bytes=0-", 0, Asked::Outside);
        check("bytes=-1", 0, Asked::Outside);
    }

    #[test]
    fn what_is_no_single_part_is_no_part() {
        for header in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2,4-5",
            "bytes=0-0,-1",
            "bytes=+1-2",
            "bytes=1--2",
            "items=0-1",
            "bytes 0-1",
            "bytes=0x1-2",
            "bytes=1",
        ] {
            check(header, 2048, Asked::Whole);
        }
        assert_eq!(asked(None, 2048), Asked::Whole);
    }

    #[test]
    fn chunks() {
        for good in ["500-1499", "bytes 500-1499/*", "bytes=500-1499", " 500-1499/2048 "] {
            assert_eq!(pushed(good), Some(Part { start: 500, length: 1000 }), "{good}");
        }
        for bad in
            ["", "-", "1-", "-1", "2-1", "a-b", "0-18446744073709551615", "99999999999999999999-1"]
        {
            assert_eq!(pushed(bad), None, "{bad}");
        }
    }
}
