//! Words as systemd's unit files have them.

use std::fmt::Write as _;

/// A word in quotes, in which nothing means anything but itself: not `\`, not quotes, not `%`. A `$`
/// stays one only where no variables are put in (`ExecStart=:`, `Environment=`).
pub(super) fn word(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '%' => quoted.push_str("%%"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            // Writing into memory does not fail.
            control if control.is_ascii_control() => {
                let _ = write!(quoted, "\\x{:02x}", u32::from(control));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

/// A path that stands for itself up to the end of its line.
pub(super) fn bare_path(path: &str) -> Option<String> {
    let wrong = path.chars().any(char::is_control)
        || path.ends_with(|end: char| end == '\\' || end.is_whitespace());
    (!wrong).then(|| path.replace('%', "%%"))
}

/// What systemd calls safe: a program's path has no quotes, backslashes and control characters.
pub(super) fn is_program_path(path: &str) -> bool {
    !path.chars().any(|one| one.is_control() || matches!(one, '"' | '\'' | '\\'))
}
