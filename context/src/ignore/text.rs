//! Names as characters, though nobody promised that they are.

/// The first character and its length; a byte that is part of none is the replacement character.
pub(super) fn first(bytes: &[u8]) -> Option<(char, usize)> {
    let lead = *bytes.first()?;
    let length = match lead {
        0..0x80 => return Some((char::from(lead), 1)),
        0xc2..0xe0 => 2,
        0xe0..0xf0 => 3,
        0xf0..0xf5 => 4,
        _ => return Some((char::REPLACEMENT_CHARACTER, 1)),
    };
    let text = bytes.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok());
    let character = text.and_then(|text| text.chars().next());
    Some(character.map_or((char::REPLACEMENT_CHARACTER, 1), |character| (character, length)))
}

pub(super) fn characters(mut bytes: &[u8]) -> impl Iterator<Item = char> {
    std::iter::from_fn(move || {
        let (character, length) = first(bytes)?;
        bytes = &bytes[length..];
        Some(character)
    })
}

/// Without white space around it.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let Some((character, length)) = first(bytes)
        && character.is_whitespace()
    {
        bytes = &bytes[length..];
    }
    // No white space has more than three bytes.
    'again: loop {
        for length in 1..=bytes.len().min(3) {
            let (before, last) = bytes.split_at(bytes.len() - length);
            if first(last).is_some_and(|(last, its)| its == length && last.is_whitespace()) {
                bytes = before;
                continue 'again;
            }
        }
        return bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_go_from_both_ends() {
        let check = |text: &[u8], expected: &[u8]| assert_eq!(trim(text), expected, "{text:?}");
        check(b" \t a b \r\x0b", b"a b");
        check("\u{3000}a\u{a0}\u{2003}".as_bytes(), b"a");
        check(b"\xa0a\x85", b"\xa0a\x85");
        check(b"  ", b"");
    }

    #[test]
    fn what_is_no_character_stands_for_itself() {
        let all: String = characters(b"a\xffb\xe2\x98\xbac\xe2\x98").collect();
        assert_eq!(all, "a\u{fffd}b\u{263a}c\u{fffd}\u{fffd}");
    }
}
