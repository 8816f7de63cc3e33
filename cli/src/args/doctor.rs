//! `kiln doctor`.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;

/// Find out by doing whether a job could run on this host, and how to mend what is missing.
///
/// Runs `kilnd doctor`, so it works before any kilnd runs and disturbs none that does. What kilnd is,
/// or will be, started with comes after it: `kiln doctor --guest-image DIR --allow-emulation`. See
/// `kilnd doctor --help`. The exit code is 0 if a job could run, 1 if not, 125 if no doctor could be
/// asked.
#[derive(Clone, Debug, Args)]
pub(crate) struct DoctorArguments {
    /// Print one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The daemon's program [default: the kilnd beside this program, else the one on PATH].
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) kilnd: Option<PathBuf>,
    /// Flags of kilnd, as they are.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "FLAG")]
    pub(crate) flags: Vec<OsString>,
}
