//! What is to be run in a guest.

use std::time::Duration;

use kiln_proto::agent::v1::{self, EnvironmentVariable, ExecStart};

/// One command, its limits, and how long we wait for it to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Never empty, never passed through a shell.
    pub argv: Vec<String>,
    /// The whole environment; each name once.
    pub env: Vec<(String, String)>,
    /// Absolute; empty means `/`.
    pub workdir: String,
    /// Empty means root.
    pub user: String,
    /// Without it the command reads end of file at once.
    pub stdin: bool,
    /// Of all its processes together; 0 means no limit.
    pub memory_bytes: u64,
    /// Processes and threads together; 0 means the agent's default.
    pub pids: u32,
    /// From the command's start until the agent kills all of it.
    pub timeout: Option<Duration>,
    /// Until the agent has started the command or refused it.
    pub start_limit: Duration,
    /// At most 64 letters, digits and dashes. A command with an id outlives its stream, and is
    /// begun at most once in a guest however often it is asked for.
    pub id: Option<String>,
    /// Output from here on is to come; above 0 only for a command that was begun before.
    pub output_offset: u64,
    /// How much stdin earlier streams to this command were sent, at most; `None` when nobody knows
    /// any more. An agent that took more than this lies.
    pub stdin_sent: Option<u64>,
    /// A terminal instead of pipes; needs `stdin`.
    pub terminal: Option<TerminalSize>,
}

/// In characters; neither is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    pub rows: u16,
    pub columns: u16,
}

impl From<TerminalSize> for v1::TerminalSize {
    fn from(TerminalSize { rows, columns }: TerminalSize) -> Self {
        Self { rows: rows.into(), columns: columns.into() }
    }
}

impl Command {
    /// As root, with nothing of its own: no environment, stdin, limits or id.
    pub fn new(argv: Vec<String>, start_limit: Duration) -> Self {
        Self {
            argv,
            env: Vec::new(),
            workdir: String::new(),
            user: String::new(),
            stdin: false,
            memory_bytes: 0,
            pids: 0,
            timeout: None,
            start_limit,
            id: None,
            output_offset: 0,
            stdin_sent: Some(0),
            terminal: None,
        }
    }
}

impl From<Command> for ExecStart {
    fn from(command: Command) -> Self {
        let Command {
            argv,
            env,
            workdir,
            user,
            stdin,
            memory_bytes,
            pids,
            timeout,
            start_limit: _kept_by_the_host,
            id,
            output_offset,
            stdin_sent: _checked_by_the_host,
            terminal,
        } = command;
        // A limit under a millisecond must not round to 0, which is none.
        let timeout_millis = timeout.map_or(0, |limit| {
            u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX).max(1)
        });
        Self {
            argv,
            env: env.into_iter().map(|(name, value)| EnvironmentVariable { name, value }).collect(),
            workdir,
            user,
            stdin,
            memory_bytes,
            pids,
            timeout_millis,
            id: id.unwrap_or_default(),
            output_offset,
            terminal: terminal.map(|size| v1::Terminal { size: Some(size.into()) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Duration, ExecStart};

    fn check(timeout: Option<Duration>, expected: u64) {
        let command = Command { timeout, ..Command::new(vec!["true".into()], Duration::ZERO) };
        assert_eq!(ExecStart::from(command).timeout_millis, expected);
    }

    #[test]
    fn a_time_limit_never_becomes_none() {
        check(None, 0);
        check(Some(Duration::ZERO), 1);
        check(Some(Duration::from_nanos(1)), 1);
        check(Some(Duration::from_micros(1500)), 2);
        check(Some(Duration::from_secs(5)), 5000);
        check(Some(Duration::MAX), u64::MAX);
    }
}
