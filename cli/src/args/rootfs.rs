//! `kiln rootfs`.

mod free;
mod init;
pub(crate) mod options;
mod probe;
mod words;

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueHint};

pub(crate) use self::{
    options::{InvalidRootfs, RootfsOptions},
    probe::{Probe, command as probe_command},
};
use super::{
    Egress,
    build::{Platform, ProgressMode},
    cpus, duration, size,
};

const LONG_ABOUT: &str = "\
Make a root filesystem of an image, which a microVM boots.

IMAGE is a reference as docker has it, a tar (an OCI layout, or what `docker save` writes), the \
directory of an OCI layout, or - for a tar on stdin. oci:PATH is always a path and docker://NAME \
always a reference. A throwaway machine boots what was made before it is given out. The first \
Ctrl-C cancels it and waits for its end, the second leaves at once.";

const EXAMPLES: &str = "\
Progress and words are on stderr. The file gets its name when all of it is here, and its holes stay
holes. docs/rootfs.md tells more.

Exit codes: 0; 1 there is no root filesystem: a command of --run failed, the image is wrong, what was
made did not boot, a registry refused, a disk was full; 124 timed out; 125 Kiln's own failure, bad
usage among it; 130 cancelled; 137 out of memory.

Examples:
  kiln rootfs debian:12 -o debian.ext4
  kiln rootfs app.tar -o app.ext4 --optimize --size-limit 200M --metadata app.json
  kiln rootfs local/app -o app.ext4 --probe-port 8080 --boot-timeout 1m
  kiln rootfs debian:12 -o web.ext4 --egress allow=deb.debian.org:80/http \\
      --run 'apt-get update && apt-get install -y nginx'
  kiln rootfs layout/ -o app.tar.zst --format tar --compress zstd
  kiln rootfs --build 01jd -o app.ext4
  kiln boot app.ext4";

const USAGE: &str = "\
kiln rootfs [OPTIONS] IMAGE --output FILE
       kiln rootfs [OPTIONS] --build ID[:EXPORT] --output FILE";

#[derive(Debug, Args)]
#[command(about = "Make a root filesystem of an image", long_about = LONG_ABOUT)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(crate) struct RootfsArguments {
    /// A file, which gets its name when all of it is here; a block device; or - for stdout.
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<String>,
    /// In place of IMAGE: the image of a build, by its id and, of several, its export.
    #[arg(long, value_name = "ID[:EXPORT]")]
    pub(crate) build: Option<String>,
    /// Of an image for several platforms the one for this [default: the host's].
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
    #[command(flatten)]
    pub(crate) options: RootfsOptions,
    /// Run a command in the image first, by its /bin/sh and as root; several, in order.
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub(crate) run: Vec<String>,
    /// What the commands of --run may reach: none, internet, record, locked, allow=RULE,… or @FILE
    /// with a rule a line [default: none].
    #[arg(long, value_name = "POLICY", value_parser = Egress::parser(), hide_possible_values = true)]
    #[arg(requires = "run")]
    pub(crate) egress: Option<Egress>,
    /// The lockfile of --egress record and locked [default: kiln-egress.lock].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "egress")]
    pub(crate) egress_lock: Option<PathBuf>,
    /// How progress of --run is shown: auto, plain, tty, quiet, rawjson [default: as the
    /// environment has it for builds].
    // Read there apart from the flag: who has it set asks for nothing here.
    #[arg(long, value_name = "HOW", value_enum, hide_possible_values = true, requires = "run")]
    pub(crate) progress: Option<ProgressMode>,
    /// Write what came of it to a file, as JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) metadata: Option<PathBuf>,
    /// Virtual CPUs, whole ones [default: 1].
    #[arg(long, value_name = "N", value_parser = cpus::parse)]
    pub(crate) cpus: Option<u32>,
    /// Memory for the machine that makes it, and for that of --run [default: 1G, and 2G].
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
    /// The disk on which it is made, and the most that it can be; of --run too [default: 10G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk: Option<u64>,
    /// End it, and --run before it, after this time each [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// A name for this request: asked twice with it, kilnd runs one job [default: a fresh one].
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print the job's id and leave it to itself; `kiln job download` brings the file.
    #[arg(short, long, conflicts_with_all = ["output", "metadata", "run"])]
    pub(crate) detach: bool,
    /// Print the job's record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The project that the job belongs to [default: default].
    #[arg(long, value_name = "NAME", env = "KILN_PROJECT")]
    pub(crate) project: Option<String>,
    /// Say nothing but errors: no progress, no notices.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The image.
    #[arg(value_name = "IMAGE", required_unless_present = "build", conflicts_with = "build")]
    pub(crate) image: Option<String>,
}
