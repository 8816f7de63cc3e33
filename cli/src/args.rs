//! The command line, as it is typed.

mod cpus;
mod duration;
mod environment;
mod job;
mod run;
mod size;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    environment::Variable,
    job::{CancelArguments, GetArguments, JobCommand, ListArguments, LogArguments, WaitArguments},
    run::RunArguments,
};

const EXAMPLES: &str = "\
Examples:
  kiln run -- uname -r                     a command in a fresh microVM
  kiln run --timeout 10m -e CI=1 -- make   with a limit and an environment
  tar c . | kiln run -i -- tar t           with stdin
  kiln run -d -- ./build.sh                in the background; prints the job's id
  kiln job ls                              what ran and what runs
  kiln job logs -f 01jd                    an id may be shortened while it is unambiguous

Exit codes of `kiln run` and `kiln job wait`:
  the command's own; 128 + n when signal n ended it; 124 timed out; 125 Kiln's own failure,
  bad usage among it; 126 the command could not be run; 127 it was not found; 130 cancelled;
  137 out of memory; 141 nobody reads the output any more";

/// Run commands in microVMs of their own.
#[derive(Debug, Parser)]
#[command(name = "kiln", version, after_help = EXAMPLES, max_term_width = 100)]
pub(crate) struct Cli {
    /// The socket of kilnd.
    #[arg(
        long,
        global = true,
        env = "KILN_SOCKET",
        value_name = "PATH",
        default_value = "/run/kiln/kilnd.sock"
    )]
    pub(crate) socket: PathBuf,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(RunArguments),
    /// Look at jobs and steer them.
    #[command(subcommand)]
    Job(JobCommand),
    /// Print the version of this command.
    Version(VersionArguments),
    /// Print a script that completes `kiln` in a shell.
    Completions {
        shell: clap_complete::Shell,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct VersionArguments {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
