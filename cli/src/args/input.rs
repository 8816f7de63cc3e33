//! `--input SRC[:GUESTPATH]` and `--input-raw FILE:GUESTPATH`.

use std::{path::PathBuf, str::FromStr};

/// Where an input goes that names no place.
const DEFAULT: &str = "/input";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    pub(crate) source: Source,
    /// In the guest.
    pub(crate) path: String,
    /// It was typed, rather than left out.
    pub(crate) is_named: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    /// A directory or a tar; nobody has looked yet.
    Path(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawInput {
    pub(crate) file: PathBuf,
    pub(crate) path: String,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidInput {
    #[error("nothing stands before the colon: write DIRECTORY:/PATH, FILE.tar:/PATH or -:/PATH")]
    NoSource,
    #[error("{path:?} is no absolute path in the guest: write SOURCE:/PATH")]
    Relative { path: String },
    #[error("write FILE:/PATH, with the path of the file in the guest")]
    NoPath,
}

impl FromStr for Input {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let (source, path) = split(text)?;
        let source = match source {
            "-" => Source::Stdin,
            source => Source::Path(source.into()),
        };
        let is_named = path.is_some();
        Ok(Self { source, path: path.unwrap_or(DEFAULT).to_owned(), is_named })
    }
}

impl FromStr for RawInput {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, InvalidInput> {
        let (file, path) = split(text)?;
        let path = path.ok_or(InvalidInput::NoPath)?;
        Ok(Self { file: file.into(), path: path.to_owned() })
    }
}

/// The last colon parts them, so a source may have some in its name when the path is written out.
fn split(text: &str) -> Result<(&str, Option<&str>), InvalidInput> {
    let (source, path) = match text.rsplit_once(':') {
        Some((source, path)) => (source, Some(path)),
        None => (text, None),
    };
    match path {
        _ if source.is_empty() => Err(InvalidInput::NoSource),
        Some(path) if !path.starts_with('/') => {
            Err(InvalidInput::Relative { path: path.to_owned() })
        }
        path => Ok((source, path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_and_places() {
        let check = |text: &str, source: Source, path: &str, is_named| {
            let expected = Input { source, path: path.to_owned(), is_named };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        };
        let at = |path: &str| Source::Path(path.into());
        check(".", at("."), "/input", false);
        check("src:/work", at("src"), "/work", true);
        check("a:b.tar:/work", at("a:b.tar"), "/work", true);
        check("-", Source::Stdin, "/input", false);
        check("-:/work", Source::Stdin, "/work", true);
        check("./-", at("./-"), "/input", false);
    }

    #[test]
    fn all_else_is_refused() {
        let check =
            |text: &str, expected| assert_eq!(text.parse::<Input>(), Err(expected), "{text}");
        check("", InvalidInput::NoSource);
        check(":/work", InvalidInput::NoSource);
        check("src:work", InvalidInput::Relative { path: "work".to_owned() });
        check("src:", InvalidInput::Relative { path: String::new() });
        assert_eq!("file".parse::<RawInput>(), Err(InvalidInput::NoPath));
    }
}
