//! `--progress`, as buildx has it.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// As a terminal wants it on a terminal, else plain.
    #[default]
    Auto,
    Plain,
    Tty,
    #[value(alias = "none")]
    Quiet,
    Rawjson,
}

#[derive(Debug, thiserror::Error)]
#[error("BUILDKIT_PROGRESS is {0:?}: write auto, plain, tty, quiet or rawjson")]
pub(crate) struct InvalidProgress(String);

impl ProgressMode {
    /// Where no flag says it.
    pub(crate) fn of_environment() -> Result<Self, InvalidProgress> {
        match std::env::var_os("BUILDKIT_PROGRESS") {
            None => Ok(Self::default()),
            Some(text) => {
                let text = text.to_string_lossy();
                Self::from_str(&text, false).map_err(|_| InvalidProgress(text.into_owned()))
            }
        }
    }
}
