//! Why nothing came of it, in one line that is the last: whoever ran the program shows it as the reason.

use std::panic;

#[expect(clippy::print_stderr, reason = "the one place that tells why nothing came of it")]
pub(super) fn say(why: &str) {
    eprintln!("kiln-rootfs: {}", line(why));
}

/// A fault of the program's own is told like any other reason.
pub(super) fn of_panics() {
    panic::set_hook(Box::new(|panic| say(&format!("a fault of its own: {panic}"))));
}

/// What is wrong with a command line, and what would be right; not the advice and usage that clap adds.
pub(super) fn of_usage(told: &str) -> String {
    let text = told.strip_prefix("error: ").unwrap_or(told);
    let lines: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    format!("{}; --help tells more", lines.join(" "))
}

/// Whatever a name in it holds.
fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.trim_end().chars() {
        if letter.is_control() {
            line.extend(letter.escape_default());
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(line("no room in /a\nb\x1b[2J\n"), "no room in /a\\nb\\u{1b}[2J");
    }

    #[test]
    fn a_command_line_is_refused_in_one_line() {
        let told = "error: invalid value 'x' for '--format <FORMAT>'\n  [possible values: ext4, tar]\n\n\
            Usage: kiln-rootfs …\n\nFor more information, try '--help'.\n";
        let line = "invalid value 'x' for '--format <FORMAT>' [possible values: ext4, tar]; \
            --help tells more";
        assert_eq!(of_usage(told), line);
    }
}
