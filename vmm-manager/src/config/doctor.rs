//! What the doctor is told: the daemon's own flags, and how to say it.

use std::path::PathBuf;

use clap::Args;

use super::Flags;

/// Finds out by doing whether a job could run here, with which VMM and how well kept apart, and says
/// how to mend what is missing. Takes the daemon's flags, whether one runs or not, and leaves its
/// home as it is. Exits with 0 if a job could run, else with 1.
#[derive(Clone, Debug, Args)]
pub struct DoctorFlags {
    /// Print one line of JSON.
    #[arg(long)]
    pub json: bool,

    /// Boot guests again, whatever was found out earlier.
    #[arg(long)]
    pub again: bool,

    /// Where the doctor works, and keeps what it has found out about guests until the next boot
    /// [default: /run/kiln/doctor; without root, a directory of its own in the temporary one].
    #[arg(long, env = "KILN_DOCTOR_WORK", value_name = "DIR")]
    pub work: Option<PathBuf>,

    #[command(flatten)]
    pub daemon: Flags,
}
