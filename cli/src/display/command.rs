//! An argument vector as one could type it into a shell.

use super::printable;

pub(crate) fn command_line(argv: &[String]) -> String {
    let words: Vec<_> = argv.iter().map(|argument| quoted(argument)).collect();
    words.join(" ")
}

fn quoted(argument: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./:=@%+,".contains(letter);
    if !argument.is_empty() && argument.chars().all(is_plain) {
        return argument.to_owned();
    }
    // One line per command, whatever it is made of.
    let argument = printable(argument).replace('\n', "\\n").replace('\t', "\\t");
    format!("'{}'", argument.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_quoted() {
        let check = |argv: &[&str], expected: &str| {
            let argv: Vec<_> = argv.iter().map(ToString::to_string).collect();
            assert_eq!(command_line(&argv), expected);
        };
        check(&["uname", "-r"], "uname -r");
        check(&["sh", "-c", "exit 7"], "sh -c 'exit 7'");
        check(&["echo", "it's", ""], r"echo 'it'\''s' ''");
        check(&["sh", "-c", "a\nb\x1b[0m"], r"sh -c 'a\nb\u{1b}[0m'");
        check(&[], "");
    }
}
