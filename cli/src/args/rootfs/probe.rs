//! `--probe-command` and `--probe-port`: when a machine counts as up.

use std::num::NonZeroU16;

use clap::Args;

use super::words::{self, InvalidWords};

#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct Probe {
    /// It is up when this command exits with 0 in it: words, with quotes as a shell has them
    /// [default: when its init says so].
    #[arg(long, value_name = "COMMAND", value_parser = command, conflicts_with = "probe_port")]
    pub(crate) probe_command: Option<ProbeCommand>,
    /// It is up when this port of TCP takes a connection in it.
    #[arg(long, value_name = "PORT")]
    pub(crate) probe_port: Option<NonZeroU16>,
}

/// Its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeCommand(pub(crate) Vec<String>);

pub(crate) fn command(text: &str) -> Result<ProbeCommand, InvalidWords> {
    words::split(text).map(ProbeCommand)
}

impl Probe {
    /// The name of what is asked for.
    pub(crate) fn asked(&self) -> Option<&'static str> {
        match (&self.probe_command, self.probe_port) {
            (Some(_), _) => Some("probe-command"),
            (None, Some(_)) => Some("probe-port"),
            (None, None) => None,
        }
    }
}
