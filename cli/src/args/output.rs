//! `--output GUESTPATH:DEST` and `--output-raw GUESTPATH:FILE`.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Output {
    /// In the guest.
    pub(crate) path: String,
    /// `None` for a job that nobody waits for.
    pub(crate) destination: Option<Destination>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Stdout,
    /// A tar is unpacked into it.
    Directory(PathBuf),
    /// The bytes as they are.
    File(PathBuf),
}

/// As [`Output`], but one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawOutput(pub(crate) Output);

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidOutput {
    #[error("{path:?} is no absolute path in the guest: write /PATH:DESTINATION")]
    Relative { path: String },
    #[error("nothing stands behind the colon: write /PATH:DIRECTORY, /PATH:FILE.tar or /PATH:-")]
    NoDestination,
}

impl Destination {
    /// What `text` means for a tar.
    pub(crate) fn of_tar(text: &str) -> Self {
        match text {
            "-" => Self::Stdout,
            text if Path::new(text).extension().is_some_and(|end| end == "tar") => {
                Self::File(text.into())
            }
            text => Self::Directory(text.into()),
        }
    }

    /// What `text` means for one file.
    pub(crate) fn of_file(text: &str) -> Self {
        match text {
            "-" => Self::Stdout,
            text => Self::File(text.into()),
        }
    }
}

impl FromStr for Output {
    type Err = InvalidOutput;

    fn from_str(text: &str) -> Result<Self, InvalidOutput> {
        parse(text, Destination::of_tar)
    }
}

impl FromStr for RawOutput {
    type Err = InvalidOutput;

    fn from_str(text: &str) -> Result<Self, InvalidOutput> {
        parse(text, Destination::of_file).map(Self)
    }
}

/// The first colon parts them: paths in a guest are ours to choose, those here may be anything.
fn parse(text: &str, destination: fn(&str) -> Destination) -> Result<Output, InvalidOutput> {
    let (path, rest) = match text.split_once(':') {
        Some((path, rest)) => (path, Some(rest)),
        None => (text, None),
    };
    if !path.starts_with('/') {
        return Err(InvalidOutput::Relative { path: path.to_owned() });
    }
    if rest == Some("") {
        return Err(InvalidOutput::NoDestination);
    }
    Ok(Output { path: path.to_owned(), destination: rest.map(destination) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, path: &str, destination: Option<Destination>) {
        let expected = Output { path: path.to_owned(), destination };
        assert_eq!(text.parse(), Ok(expected), "{text}");
    }

    #[test]
    fn places_and_destinations() {
        check("/out", "/out", None);
        check("/out:dist", "/out", Some(Destination::Directory("dist".into())));
        check("/out:a:b", "/out", Some(Destination::Directory("a:b".into())));
        check("/out:dist.tar", "/out", Some(Destination::File("dist.tar".into())));
        check("/out:-", "/out", Some(Destination::Stdout));
        let raw: RawOutput = "/out/disk.img:disk.img".parse().unwrap();
        assert_eq!(raw.0.destination, Some(Destination::File("disk.img".into())));
    }

    #[test]
    fn all_else_is_refused() {
        let check =
            |text: &str, expected| assert_eq!(text.parse::<Output>(), Err(expected), "{text}");
        check("out:dist", InvalidOutput::Relative { path: "out".to_owned() });
        check("", InvalidOutput::Relative { path: String::new() });
        check("/out:", InvalidOutput::NoDestination);
    }
}
