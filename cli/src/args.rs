//! The command line, as it is typed.

mod boot;
mod build;
mod cpus;
mod doctor;
mod duration;
mod egress;
mod environment;
mod host;
mod image;
mod input;
mod job;
mod output;
mod rootfs;
mod run;
mod shell;
mod size;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};

pub(crate) use self::{
    boot::BootArguments,
    build::{
        ArchiveFormat, Attest, BuildArguments, BuildSource, CacheFrom, CacheTo, Compression,
        Export, ImageOptions, NamedFrom, NamedSource, Network, Platform, ProgressMode, Provenance,
        RootfsExport, Sbom, Secret, SecretFrom, Ssh, Ulimit,
    },
    doctor::DoctorArguments,
    egress::Egress,
    environment::Variable,
    host::HostArguments,
    image::{
        ExportArguments, ImageCommand, ImportArguments, InspectArguments, ListImagesArguments,
        PruneArguments, PullArguments, PushArguments, RegistryArguments, RemoveArguments,
        TagArguments,
    },
    input::{Input, RawInput, Source},
    job::{
        CancelArguments, DownloadArguments, GetArguments, JobCommand, ListArguments, LogArguments,
        OutputsArguments, WaitArguments,
    },
    output::{Destination, Output, RawOutput},
    rootfs::{InvalidRootfs, Probe, RootfsArguments, RootfsOptions},
    run::RunArguments,
    shell::ShellArguments,
};

const EXAMPLES: &str = "\
Examples:
  kiln run -- uname -r                     a command in a fresh microVM
  kiln run --timeout 10m -e CI=1 -- make   with a limit and an environment
  tar c . | kiln run -i -- tar t           with stdin
  kiln run -it -- bash                     at a terminal
  kiln run --input . --output /out:dist -- make DESTDIR=/out install
                                           with files in, and files out
  kiln run --egress allow=crates.io,static.crates.io -- cargo fetch
                                           with the network that it names, and no other
  kiln run -d -- ./build.sh                in the background; prints the job's id
  kiln build -t local/app .                a Dockerfile, as docker buildx builds it
  kiln rootfs local/app -o app.ext4        an image as a root filesystem that boots
  kiln boot app.ext4                       and a microVM that boots it
  kiln shell 01jd                          a shell inside a running job
  kiln doctor --guest-image DIR            whether a job could run on this host
  kiln job ls                              what ran and what runs
  kiln job logs -f 01jd                    an id may be shortened while it is unambiguous
  kiln image ls                            what the host's registry has

Exit codes of `kiln run`, `kiln boot` and `kiln job wait`:
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
    /// How long to wait for a kilnd that goes away in the middle.
    #[arg(
        long,
        global = true,
        env = "KILN_RECONNECT",
        value_name = "DURATION",
        default_value = "2m",
        value_parser = duration::parse,
        hide_short_help = true
    )]
    pub(crate) reconnect: Duration,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArguments>),
    Build(Box<BuildArguments>),
    Rootfs(Box<RootfsArguments>),
    Boot(Box<BootArguments>),
    Shell(ShellArguments),
    /// Look at jobs and steer them.
    #[command(subcommand)]
    Job(JobCommand),
    #[command(subcommand)]
    Image(ImageCommand),
    Host(HostArguments),
    Doctor(DoctorArguments),
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
