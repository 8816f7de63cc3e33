//! `NAME=VALUE` of `--label` and `--annotation`.

use std::str::FromStr;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) key: String,
    pub(crate) value: String,
}

/// `[TYPE[,TYPE][PLATFORM]:]KEY=VALUE`; what stands before the colon is part of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Annotation {
    pub(crate) key: String,
    pub(crate) value: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidWord {
    #[error("it needs a name: write NAME=VALUE")]
    NoName,
    #[error("it needs a value: write [TYPE:]KEY=VALUE")]
    NoValue,
    #[error(
        "{kind:?} is no place for an annotation: write manifest, index, manifest-descriptor or index-descriptor"
    )]
    UnknownKind { kind: String },
}

impl FromStr for Label {
    type Err = InvalidWord;

    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if key.is_empty() {
            return Err(InvalidWord::NoName);
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

impl FromStr for Annotation {
    type Err = InvalidWord;

    fn from_str(text: &str) -> Result<Self, InvalidWord> {
        let (key, value) = text.split_once('=').ok_or(InvalidWord::NoValue)?;
        let name = match key.split_once(':') {
            Some((kinds, name)) => {
                for kind in kinds.split(',') {
                    let bare = kind.split_once('[').map_or(kind, |(bare, _)| bare);
                    let is_known = ["manifest", "index", "manifest-descriptor", "index-descriptor"]
                        .contains(&bare);
                    if !is_known || (bare != kind && !kind.ends_with(']')) {
                        return Err(InvalidWord::UnknownKind { kind: kind.to_owned() });
                    }
                }
                name
            }
            None => key,
        };
        if name.is_empty() {
            return Err(InvalidWord::NoName);
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_may_be_empty_and_annotations_not() {
        let (key, value) = ("a".to_owned(), String::new());
        assert_eq!("a".parse(), Ok(Label { key, value }));
        assert_eq!("=x".parse::<Label>(), Err(InvalidWord::NoName));
        assert_eq!("a".parse::<Annotation>(), Err(InvalidWord::NoValue));
    }

    #[test]
    fn annotations_say_where() {
        let check = |key: &str| {
            let (owned, value) = (key.to_owned(), "v=w".to_owned());
            assert_eq!(format!("{key}=v=w").parse(), Ok(Annotation { key: owned, value }));
        };
        check("a");
        check("index:a");
        check("manifest[linux/amd64]:a");
        check("index,manifest-descriptor:a");
        for text in ["layer:a=b", "manifest[linux:a=b"] {
            assert!(text.parse::<Annotation>().is_err(), "{text}");
        }
        assert_eq!("index:=b".parse::<Annotation>(), Err(InvalidWord::NoName));
    }
}
