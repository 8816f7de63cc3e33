//! `kiln run`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueHint};

use super::{Egress, Input, Output, RawInput, RawOutput, Variable, cpus, duration, size};

const LONG_ABOUT: &str = "\
Run a command in a microVM of its own.

The command's stdout goes to stdout and its stderr to stderr, byte by byte. Options end at the \
command: what follows it is its own. The first Ctrl-C (SIGINT, SIGTERM, SIGQUIT or SIGHUP) \
cancels the job and waits for its end, the second leaves at once; with -t a Ctrl-C is a key, and \
the guest's terminal makes of it what it wants. SIGUSR1 and SIGUSR2 are passed on. When nobody reads stdout or \
stderr any more, the job is cancelled and the exit code is 141.";

const EXAMPLES: &str = "\
Sizes are binary, as in docker: 512M, 512MiB and 536870912 are the same. Durations: 500ms, 90s,
1m30s, 2h; a bare number is seconds.

A directory is packed as it is: modes, links and numeric owners. With one --input and no --workdir
the command begins in it. Outputs are brought here when the command has exited with 0; what would
lead out of DEST, device nodes and setuid bits are left out (write to a .tar to have it all).

The network is closed unless --egress opens it. A rule is NAME[:PORT][/PROTOCOL]: *.NAME is all that
ends in .NAME, the port is 443 where none is named, and the protocol is tls, http (on port 80), or
tcp or udp, which look at nothing but the address. `record` reaches every name and writes what was
reached to kiln-egress.lock; `locked` allows what stands there. docs/egress.md tells more.

With --json stdout carries one line alone, the record of the ended job (with --detach: of the
accepted one); stdout and stderr of the command both go to stderr. When Kiln fails before there is
a job, stdout stays empty and the exit code is 125.

Examples:
  kiln run -- sh -c 'uname -r; exit 7'
  kiln run --cpus 2 --memory 1g --disk 20g --timeout 30m -- make -j2
  kiln run -e TOKEN -e MODE=ci --env-file build.env -u nobody -w /tmp -- env
  pg_dump app | kiln run -i -- sh -c 'gzip > /tmp/app.gz; stat /tmp/app.gz'
  kiln run --input . --output /input/target:out -- cargo build
  kiln run --input src.tar:/src --output /dist:dist.tar -w /src -- make install
  git archive HEAD | kiln run --input - -- make test
  kiln run --egress record -- make fetch && kiln run --egress locked -- make fetch
  kiln run --json -- make | jq .exit_code";

#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Args)]
#[command(about = "Run a command in a microVM of its own", long_about = LONG_ABOUT)]
#[command(after_help = EXAMPLES, override_usage = "kiln run [OPTIONS] [--] COMMAND [ARGUMENT]...")]
pub(crate) struct RunArguments {
    /// Virtual CPUs, whole ones [default: 1].
    #[arg(long, value_name = "N", value_parser = cpus::parse)]
    pub(crate) cpus: Option<u32>,
    /// Memory for the command [default: 512M].
    #[arg(short, long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) memory: Option<u64>,
    /// The scratch disk, on which everything lands that the command writes [default: 10G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) disk: Option<u64>,
    /// End the command after this time [default: no limit].
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) timeout: Option<Duration>,
    /// Set a variable; without a value it is taken from your environment, if it stands there.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<Variable>,
    /// Read variables from a file, one NAME[=VALUE] per line; --env wins over it.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// Who runs the command: name, uid, name:group or uid:gid [default: root].
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Where the command starts, an absolute path in the guest [default: /].
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) workdir: Option<String>,
    /// Pass stdin on to the command; without this stdin is not touched.
    #[arg(short, long, conflicts_with = "detach")]
    pub(crate) interactive: bool,
    /// Give the command a terminal, which is yours: `-it` for a shell.
    #[arg(short, long, conflicts_with_all = ["detach", "json"])]
    pub(crate) tty: bool,
    /// Bring a directory, a .tar file or a tar on stdin (-) into the guest [default path: /input].
    #[arg(long, value_name = "SRC[:GUESTPATH]", allow_hyphen_values = true)]
    pub(crate) input: Vec<Input>,
    /// Bring one file into the guest, as it is.
    #[arg(long, value_name = "FILE:GUESTPATH")]
    pub(crate) input_raw: Vec<RawInput>,
    /// Bring a directory of the guest here: into a directory, a file that ends in .tar, or as a
    /// tar to stdout (-), in which case the command's stdout goes to stderr. With --detach there
    /// is no DEST: `kiln job download` brings it later.
    #[arg(long, value_name = "GUESTPATH[:DEST]")]
    pub(crate) output: Vec<Output>,
    /// Bring one file of the guest here, as it is.
    #[arg(long, value_name = "GUESTPATH[:FILE]")]
    pub(crate) output_raw: Vec<RawOutput>,
    /// The most that each output can carry [default: 1G].
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub(crate) output_size: Option<u64>,
    /// What the command may reach: none, internet, record, locked, allow=RULE,… or @FILE with a rule
    /// a line; a rule is a host, as one.test, one.test:8443 or one.test:22/tcp [default: none].
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
    /// Print the job's record as one line of JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The project that the job belongs to [default: default].
    #[arg(long, value_name = "NAME", env = "KILN_PROJECT")]
    pub(crate) project: Option<String>,
    /// Say nothing but errors: no progress, no notices.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The command and its arguments; no shell touches them.
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
