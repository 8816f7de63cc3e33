//! `PATH`, `-`, and `--build-context NAME=…`.

use std::{path::PathBuf, str::FromStr};

/// What is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BuildSource {
    Directory(PathBuf),
    /// A tar of the context, or a Dockerfile alone.
    Stdin,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidSource {
    #[error("the path is empty: write . for this directory")]
    Empty,
    #[error("git repositories come later: clone it, and name its directory")]
    Git,
    #[error("contexts by URL come later: fetch it and pass a tar on stdin (-)")]
    Url,
}

impl FromStr for BuildSource {
    type Err = InvalidSource;

    fn from_str(text: &str) -> Result<Self, InvalidSource> {
        match text {
            "" => Err(InvalidSource::Empty),
            "-" => Ok(Self::Stdin),
            _ if is_git(text) => Err(InvalidSource::Git),
            _ if is_url(text) => Err(InvalidSource::Url),
            path => Ok(Self::Directory(path.into())),
        }
    }
}

/// `NAME=DIRECTORY`, `NAME=docker-image://…`, `NAME=https://…`, `NAME=target:STAGE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedSource {
    pub(crate) name: String,
    pub(crate) from: NamedFrom,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedFrom {
    Directory(PathBuf),
    /// For the guest's engine, as it stands.
    Reference(String),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidNamed {
    #[error("a context needs a name and a place: write NAME=DIRECTORY or NAME=docker-image://…")]
    NoPair,
    #[error(
        "oci-layout:// is refused: kiln image import brings it into local/, and docker-image:// names it there"
    )]
    OciLayout,
    #[error("git repositories come later: clone it, and name its directory")]
    Git,
}

impl FromStr for NamedSource {
    type Err = InvalidNamed;

    fn from_str(text: &str) -> Result<Self, InvalidNamed> {
        let (name, value) = text.split_once('=').ok_or(InvalidNamed::NoPair)?;
        if name.is_empty() || value.is_empty() {
            return Err(InvalidNamed::NoPair);
        }
        let from = match value {
            _ if value.starts_with("oci-layout://") => return Err(InvalidNamed::OciLayout),
            _ if value.starts_with("docker-image://") || value.starts_with("target:") => {
                NamedFrom::Reference(value.to_owned())
            }
            _ if is_git(value) => return Err(InvalidNamed::Git),
            _ if is_url(value) => NamedFrom::Reference(value.to_owned()),
            _ => NamedFrom::Directory(value.into()),
        };
        Ok(Self { name: name.to_owned(), from })
    }
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// As docker tells them.
fn is_git(text: &str) -> bool {
    let remote = ["git://", "ssh://", "git@", "github.com/"];
    if remote.iter().any(|prefix| text.starts_with(prefix)) {
        return true;
    }
    let path = text.split_once('#').map_or(text, |(path, _)| path);
    is_url(text) && path.strip_suffix(".git").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_and_stdin() {
        let check = |text: &str, expected| assert_eq!(text.parse(), Ok(expected), "{text}");
        check(".", BuildSource::Directory(".".into()));
        check("-", BuildSource::Stdin);
        check("./github.com/x", BuildSource::Directory("./github.com/x".into()));
        check("src.git", BuildSource::Directory("src.git".into()));
    }

    #[test]
    fn what_comes_later_is_named() {
        for text in [
            "https://h.test/a.git",
            "https://h.test/a.git#v1:dir",
            "git@h.test:a",
            "github.com/a/b",
        ] {
            assert_eq!(text.parse::<BuildSource>(), Err(InvalidSource::Git), "{text}");
            assert_eq!(format!("n={text}").parse::<NamedSource>(), Err(InvalidNamed::Git));
        }
        let url = "https://h.test/a.tar.gz";
        assert_eq!(url.parse::<BuildSource>(), Err(InvalidSource::Url));
        assert_eq!("".parse::<BuildSource>(), Err(InvalidSource::Empty));
    }

    #[test]
    fn named_ones() {
        let check = |text: &str, from| {
            let name = "n".to_owned();
            assert_eq!(format!("n={text}").parse(), Ok(NamedSource { name, from }), "{text}");
        };
        check("dir", NamedFrom::Directory("dir".into()));
        for text in ["docker-image://a:b", "target:base", "https://h.test/a.tar"] {
            check(text, NamedFrom::Reference(text.to_owned()));
        }
        assert_eq!("n=oci-layout://x".parse::<NamedSource>(), Err(InvalidNamed::OciLayout));
        for text in ["n", "n=", "=x"] {
            assert_eq!(text.parse::<NamedSource>(), Err(InvalidNamed::NoPair));
        }
    }
}
