//! What a user reads when nothing came of it.

use std::{io, path::PathBuf};

use kiln_rootfs::ConvertError;

#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(
        "--optimize knows no {0:?}: it is one or more of apt, apk, dnf, pip, npm, documents, manuals, info, locales, logs"
    )]
    Excess(String),
    #[error(
        "--init is none, direct, systemd, or the absolute path of a program of the image's, not {0:?}"
    )]
    Init(String),
    #[error("--init-program is for --init direct alone")]
    NoDirect,
    #[error("{0} is for an ext4: a tar has neither a size of its own nor a label")]
    NotOfTars(&'static str),
    #[error("cannot read the init {}: give its place with --init-program: {source}", path.display())]
    InitProgram { path: PathBuf, source: io::Error },
    #[error("cannot write {}: {source}", path.display())]
    Output { path: PathBuf, source: io::Error },
    #[error("{}", in_words(.0))]
    Convert(#[from] ConvertError),
    #[error("cannot write {}: it is there already, and no file", .0.display())]
    Taken(PathBuf),
    #[error("the output and the metadata cannot both be {}", .0.display())]
    Twice(PathBuf),
    #[error("cannot write the metadata: {0}")]
    Metadata(io::Error),
    #[error("all is written, but cannot be told of here: {0}")]
    Tell(io::Error),
}

impl Failure {
    pub(super) fn metadata(source: impl Into<io::Error>) -> Self {
        Self::Metadata(source.into())
    }
}

/// An error and what led to it, in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
