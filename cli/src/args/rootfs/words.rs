//! A command in one word: split at spaces, with quotes and backslashes as a shell has them, and
//! nothing else of a shell.

use std::{iter::Peekable, str::Chars};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWords {
    #[error("it names no command")]
    None,
    #[error("a quote has no end")]
    OpenQuote,
    #[error("nothing follows the backslash at its end")]
    OpenBackslash,
}

pub(crate) fn split(text: &str) -> Result<Vec<String>, InvalidWords> {
    let mut words = Vec::new();
    let mut letters = text.chars().peekable();
    while letters.next_if(|letter| letter.is_whitespace()).is_some() || letters.peek().is_some() {
        if letters.peek().is_some_and(|letter| !letter.is_whitespace()) {
            words.push(word(&mut letters)?);
        }
    }
    if words.is_empty() { Err(InvalidWords::None) } else { Ok(words) }
}

fn word(letters: &mut Peekable<Chars<'_>>) -> Result<String, InvalidWords> {
    let mut word = String::new();
    while let Some(letter) = letters.next_if(|letter| !letter.is_whitespace()) {
        match letter {
            '\'' => loop {
                match letters.next().ok_or(InvalidWords::OpenQuote)? {
                    '\'' => break,
                    letter => word.push(letter),
                }
            },
            '"' => loop {
                match letters.next().ok_or(InvalidWords::OpenQuote)? {
                    '"' => break,
                    '\\' => match letters.next().ok_or(InvalidWords::OpenQuote)? {
                        letter @ ('"' | '\\' | '$' | '`') => word.push(letter),
                        letter => word.extend(['\\', letter]),
                    },
                    letter => word.push(letter),
                }
            },
            '\\' => word.push(letters.next().ok_or(InvalidWords::OpenBackslash)?),
            letter => word.push(letter),
        }
    }
    Ok(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotes() {
        let check = |text: &str, expected: &[&str]| {
            assert_eq!(split(text).unwrap(), expected, "{text}");
        };
        check("true", &["true"]);
        check("  test -e   /run/up ", &["test", "-e", "/run/up"]);
        check(
            "sh -c 'curl -f \"$URL\" && echo it'\\''s up'",
            &["sh", "-c", "curl -f \"$URL\" && echo it's up"],
        );
        check(r#"a "b \" \n c" d\ e '' "#, &["a", r#"b " \n c"#, "d e", ""]);
    }

    #[test]
    fn what_has_no_end_is_refused() {
        let check = |text: &str, expected| assert_eq!(split(text), Err(expected), "{text}");
        check("", InvalidWords::None);
        check(" \t", InvalidWords::None);
        check("a 'b", InvalidWords::OpenQuote);
        check("a \"b\\", InvalidWords::OpenQuote);
        check("a\\", InvalidWords::OpenBackslash);
    }
}
