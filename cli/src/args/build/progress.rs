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
