//! Words of a guest, made fit to be shown and stored.

/// What an error message of a guest may take.
pub(super) const MESSAGE_CHARACTERS: usize = 512;

/// `text` with everything that could steer a terminal or reorder a line made visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if steers(character) { '\u{fffd}' } else { character }).collect()
}

/// [`printable`], on one line and cut to `characters`.
pub(crate) fn bounded(text: &str, characters: usize) -> String {
    let mut bounded = String::new();
    for (index, character) in text.chars().enumerate() {
        if index == characters {
            bounded.push('…');
            break;
        }
        bounded.push(if steers(character) { '\u{fffd}' } else { character });
    }
    bounded
}

/// Whether `text` is a plain word such as a version: ASCII without blanks, 1 to `limit` bytes.
pub(crate) fn is_word(text: &str, limit: usize) -> bool {
    (1..=limit).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Control characters, and those that change the direction of what follows.
pub(crate) fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::{bounded, is_word};

    fn check(input: &str, characters: usize, expected: &str) {
        assert_eq!(bounded(input, characters), expected);
    }

    #[test]
    fn words_of_a_guest_cannot_steer_a_terminal() {
        check("plain", 10, "plain");
        check("\u{1b}[2J\r\n", 10, "\u{fffd}[2J\u{fffd}\u{fffd}");
        check("txt.\u{202e}exe", 10, "txt.\u{fffd}exe");
        check("äöü", 2, "äö…");
        check("", 0, "");
        check("x", 0, "…");
    }

    #[test]
    fn a_version_is_a_plain_word() {
        assert!(is_word("6.12.63+deb13-cloud-amd64", 64));
        for bad in ["", "6.12 cloud", "6.12\n", "ü", &"x".repeat(65)] {
            assert!(!is_word(bad, 64), "{bad:?}");
        }
    }
}
