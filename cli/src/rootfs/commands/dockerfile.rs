//! The Dockerfile that runs them.

use std::fmt::Write;

use serde_json::Value;

use super::Base;

pub(super) fn dockerfile(base: &Base, commands: &[String]) -> String {
    let mut text = format!("FROM {}\n", base.name);
    // Else it is root already, and its configuration says so by saying nothing.
    let is_set = !base.user.is_empty();
    if is_set {
        text.push_str("USER 0\n");
    }
    for command in commands {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "RUN [\"/bin/sh\", \"-c\", {}]", quoted(command));
    }
    if is_set {
        let _ = writeln!(text, "USER {}", literal(&base.user));
    }
    text
}

/// JSON on one line. `<<` would begin a text of several lines.
fn quoted(command: &str) -> String {
    Value::from(command).to_string().replace('<', "\\u003c")
}

/// Of a word in which variables would be set in.
fn literal(word: &str) -> String {
    word.chars().fold(String::new(), |mut text, letter| {
        if matches!(letter, '$' | '\\' | '"' | '\'') {
            text.push('\\');
        }
        text.push(letter);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_data_and_the_user_comes_back() {
        let base = Base { name: "local/app:1@sha256:d".to_owned(), user: "app:staff".to_owned() };
        let commands = ["echo \"$A\"\ncat <<EOF\nhello\nEOF".to_owned(), "a \\\n b".to_owned()];
        let expected = "FROM local/app:1@sha256:d\nUSER 0\n\
            RUN [\"/bin/sh\", \"-c\", \"echo \\\"$A\\\"\\ncat \\u003c\\u003cEOF\\nhello\\nEOF\"]\n\
            RUN [\"/bin/sh\", \"-c\", \"a \\\\\\n b\"]\n\
            USER app:staff\n";
        assert_eq!(dockerfile(&base, &commands), expected);
        let root = Base { user: String::new(), ..base };
        assert!(!dockerfile(&root, &commands).contains("USER"));
    }
}
