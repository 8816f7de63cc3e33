//! `kiln boot`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueHint};

use super::{Egress, Probe, cpus, duration, size};

const LONG_ABOUT: &str = "\
Boot a root filesystem in a microVM.

FILE is an ext4, as `kiln rootfs` makes it. It is never written to: what the machine changes is \
gone with it. The console goes to stdout, byte by byte. Options end at FILE: what follows it is for \
the machine's first process. The first Ctrl-C (SIGINT, SIGTERM, SIGQUIT or SIGHUP) presses the \
power button and waits for the machine's end, the second leaves at once.";

const EXAMPLES: &str = "\
It ends with the exit code of the image's command where Kiln's own init runs that, and with 0 when
the machine powers itself off. `kiln shell JOB` opens a shell in it while it runs. The network is
closed unless --egress opens it. docs/rootfs.md tells more.

Exit codes: the command's own; 1 the machine did not come up, or ended otherwise; 124 timed out; 125
Kiln's own failure, bad usage among it; 130 cancelled; 137 out of memory; 141 nobody reads the
console any more.

Examples:
  kiln boot app.ext4
  kiln boot --memory 1G --until-up --probe-port 8080 app.ext4
  kiln boot --init /bin/sh app.ext4 -c 'ls -l /'
  kiln boot --job 01jd";

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Args)]
#[command(about = "Boot a root filesystem in a microVM", long_about = LONG_ABOUT)]
#[command(
    after_help = EXAMPLES,
    override_usage = "kiln boot [OPTIONS] FILE [ARGUMENT]...\n       \
                      kiln boot [OPTIONS] --job ID[:ARTIFACT] [ARGUMENT]..."
)]
pub(crate) struct BootArguments {
    /// In place of FILE: what `kiln rootfs` left on the host, by its job's id.
    #[arg(long, value_name = "ID[:ARTIFACT]")]
    pub(crate) job: Option<String>,
    /// The first process, an absolute path [default: what the file was made with, or /sbin/init].
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) init: Option<String>,
    #[command(flatten)]
    pub(crate) probe: Probe,
    /// End the machine when it is up, with 0.
    #[arg(long, conflicts_with = "detach")]
    pub(crate) until_up: bool,
    /// Refuse to boot with another VMM than this: `kiln host` shows the host's.
    #[arg(long, value_name = "NAME")]
    pub(crate) vmm: Option<String>,
    /// Virtual CPUs, whole ones [default: 1].
    #[arg(long, value_name = "N", value_parser = cpus::parse)]
    pub(crate) cpus: Option<u32>,
    /// Memory for what is booted [default: 512M].
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
    /// The disk on which everything lands that the machine writes [default: 10G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk: Option<u64>,
    /// End the machine after this time [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// What the machine may reach: none, internet, record, locked, allow=RULE,… or @FILE with a rule
    /// a line [default: none].
    #[arg(long, value_name = "POLICY", value_parser = Egress::parser(), hide_possible_values = true)]
    pub(crate) egress: Option<Egress>,
    /// The lockfile of --egress record and locked [default: kiln-egress.lock].
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) egress_lock: Option<PathBuf>,
    /// A name for this request: asked twice with it, kilnd runs one job [default: a fresh one].
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Print the job's id and leave it to itself.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Print the job's record as one line of JSON; the console goes to stderr.
    #[arg(long)]
    pub(crate) json: bool,
    /// The project that the job belongs to [default: default].
    #[arg(long, value_name = "NAME", env = "KILN_PROJECT")]
    pub(crate) project: Option<String>,
    /// Say nothing but errors: no progress, no notices.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The file, and what its first process is called with.
    #[arg(trailing_var_arg = true, value_name = "FILE", required_unless_present = "job")]
    pub(crate) words: Vec<String>,
}
