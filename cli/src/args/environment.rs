//! `--env NAME[=VALUE]`.

use std::str::FromStr;

/// A variable for the command; without a value it comes from the caller's environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidVariable {
    #[error("a variable needs a name: write NAME=VALUE, or NAME to pass on your own")]
    NoName,
}

impl FromStr for Variable {
    type Err = InvalidVariable;

    fn from_str(text: &str) -> Result<Self, InvalidVariable> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(InvalidVariable::NoName);
        }
        Ok(Self { name: name.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(&str, Option<&str>), InvalidVariable>) {
        let expected = expected.map(|(name, value)| Variable {
            name: name.to_owned(),
            value: value.map(str::to_owned),
        });
        assert_eq!(text.parse(), expected, "{text}");
    }

    #[test]
    fn names_and_values() {
        check("A=b", Ok(("A", Some("b"))));
        check("A=", Ok(("A", Some(""))));
        check("A", Ok(("A", None)));
        check("A=b=c", Ok(("A", Some("b=c"))));
        check("A=\"$(x)`y`'\n", Ok(("A", Some("\"$(x)`y`'\n"))));
        check("=b", Err(InvalidVariable::NoName));
        check("", Err(InvalidVariable::NoName));
    }
}
