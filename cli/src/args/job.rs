//! `kiln job …`.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs, newest first.
    #[command(visible_alias = "list")]
    Ls(ListArguments),
    /// Show all that is known of a job.
    Get(GetArguments),
    /// Print what a job wrote: its stdout to stdout, its stderr to stderr.
    Logs(LogArguments),
    /// List what the outputs of a job carried.
    Outputs(OutputsArguments),
    /// Bring an output of a job here.
    Download(DownloadArguments),
    /// Ask jobs to end, and do not wait for it.
    Cancel(CancelArguments),
    /// Wait for jobs to end and print their exit codes; exits with the first that is not 0.
    Wait(WaitArguments),
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only jobs of this project.
    #[arg(long, value_name = "NAME", env = "KILN_PROJECT")]
    pub(crate) project: Option<String>,
    /// Print one JSON object per job and line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// The job's id, or an unambiguous beginning of it.
    pub(crate) id: String,
    /// Print the record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArguments {
    /// The job's id, or an unambiguous beginning of it.
    pub(crate) id: String,
    /// Go on until the job has ended.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Leave out so many bytes of output, both streams together.
    #[arg(long, value_name = "BYTES", default_value_t = 0)]
    pub(crate) offset: u64,
    /// Begin each line with its time.
    #[arg(short, long, conflicts_with = "json")]
    pub(crate) timestamps: bool,
    /// Print one JSON object per chunk and line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OutputsArguments {
    /// The job's id, or an unambiguous beginning of it.
    pub(crate) id: String,
    /// Print one JSON object per output and line.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DownloadArguments {
    /// The job's id, or an unambiguous beginning of it.
    pub(crate) id: String,
    /// The output's name: `kiln job outputs` shows them.
    pub(crate) name: String,
    /// A directory to unpack into, made if it is missing; a file that ends in .tar; or - for
    /// stdout. An output of --output-raw, and a root filesystem, always goes into a file.
    #[arg(value_name = "DEST")]
    pub(crate) destination: String,
    /// Say nothing but errors: no progress, no notices.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CancelArguments {
    /// Ids, or unambiguous beginnings of them.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Print each job's record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Ids, or unambiguous beginnings of them.
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// Print each ended job's record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
