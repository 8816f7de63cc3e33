//! The real command line.

mod finished;
mod running;

use std::{ffi::OsStr, path::Path, process::Stdio, time::Duration};

use anyhow::Context as _;
use tokio::process::Command;

pub use self::{finished::Finished, running::Running};
use crate::patience::patient;

/// A boot under TCG on a loaded machine, many times over.
const LIMIT: Duration = Duration::from_secs(240);

/// One invocation of `kiln`, to be run.
#[derive(Debug)]
pub struct Kiln {
    command: Command,
    stdin: Input,
    limit: Duration,
}

/// What it reads.
#[derive(Debug)]
enum Input {
    /// And then the end.
    Bytes(Vec<u8>),
    /// Nothing, until the story closes it.
    Held,
}

impl Kiln {
    pub(crate) fn new<A: AsRef<OsStr>>(
        program: &Path,
        socket: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        // What a background shell has its children ignore, `kiln` would go on ignoring.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP,INT,QUIT,TERM")
            .arg(program)
            .args(arguments)
            .env("KILN_SOCKET", socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self { command, stdin: Input::Bytes(Vec::new()), limit: LIMIT }
    }

    #[must_use]
    pub fn argument(self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments([argument])
    }

    /// After those that are there.
    #[must_use]
    pub fn arguments<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// What it reads from its stdin, which ends after that.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Input::Bytes(bytes.into());
        self
    }

    /// Its stdin stays open and empty until [`Running::close_stdin`].
    #[must_use]
    pub fn held_stdin(mut self) -> Self {
        self.stdin = Input::Held;
        self
    }

    /// A variable of the caller's environment, not of the command's.
    #[must_use]
    pub fn own_variable(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// A variable that the caller has, and it not.
    #[must_use]
    pub fn without_variable(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Where it is called.
    #[must_use]
    pub fn directory(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// How long it may take.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Starts it and comes back.
    pub fn start(mut self) -> anyhow::Result<Running> {
        let child = self.command.spawn().with_context(|| format!("starting {:?}", self.command))?;
        Running::new(child, self.stdin, patient(self.limit))
    }

    /// Runs it to its end.
    pub async fn run(self) -> anyhow::Result<Finished> {
        self.start()?.finish().await
    }
}
