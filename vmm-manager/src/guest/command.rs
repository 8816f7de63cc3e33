//! What is to be run in a guest.

use std::time::Duration;

use kiln_proto::agent::v1::{EnvironmentVariable, ExecStart};

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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Command, Duration, ExecStart};

    fn check(timeout: Option<Duration>, expected: u64) {
        let command = Command {
            argv: vec!["true".into()],
            env: Vec::new(),
            workdir: String::new(),
            user: String::new(),
            stdin: false,
            memory_bytes: 0,
            pids: 0,
            timeout,
            start_limit: Duration::ZERO,
        };
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
