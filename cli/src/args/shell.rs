//! `kiln shell`.

use clap::Args;

use super::Variable;

const AFTER: &str = "\
Without a command it is a login shell: bash where the guest has it, else sh. There is a terminal
when stdin is one. The command dies with this kiln, nothing of it stands in the job's log, and its
exit code is passed on.

Examples:
  kiln shell 01jd
  kiln shell 01jd -- ps aux
  kiln shell 01jd -- tar c /var/log > logs.tar";

/// Run one more command in the guest of a running job.
#[derive(Debug, Args)]
#[command(after_help = AFTER, override_usage = "kiln shell [OPTIONS] JOB [-- COMMAND [ARGUMENT]...]")]
pub(crate) struct ShellArguments {
    /// The job's id, or an unambiguous beginning of it.
    #[arg(value_name = "JOB")]
    pub(crate) id: String,
    /// Set a variable; without a value it is taken from your environment, if it stands there.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<Variable>,
    /// Who runs the command: name, uid, name:group or uid:gid [default: root].
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// Where the command starts, an absolute path in the guest [default: /].
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) workdir: Option<String>,
    /// Without a terminal, even where stdin is one.
    #[arg(short = 'T', long)]
    pub(crate) no_tty: bool,
    /// The command and its arguments; no shell touches them.
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}
