//! Text that came from elsewhere.

use std::borrow::Cow;

/// Control characters escaped, but for line breaks and tabs; so are the marks that turn the
/// reading direction, with which one text can pose as another.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_steering) {
        return Cow::Borrowed(text);
    }
    let escape = |letter: char| {
        if is_steering(letter) { letter.escape_default().to_string() } else { letter.to_string() }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

fn is_steering(letter: char) -> bool {
    match letter {
        '\n' | '\t' => false,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => true,
        _ => letter.is_control(),
    }
}

/// At most `width` characters, the last one an ellipsis when something was cut off.
pub(crate) fn fit(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let check = |text, expected: &str| assert_eq!(printable(text), expected);
        check("plain\ttext\nof two lines", "plain\ttext\nof two lines");
        check("\x1b[2Jgone", "\\u{1b}[2Jgone");
        check("over\rwritten", "over\\rwritten");
        check("\u{9b}31m", "\\u{9b}31m");
        check("\u{202e}txt.exe", "\\u{202e}txt.exe");
        check("größer", "größer");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcd", 3), "ab…");
        assert_eq!(fit("äöüß", 3), "äö…");
    }
}
