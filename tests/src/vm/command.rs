//! A command in a VM, and how it went.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use kiln_vmm_manager::guest::{
    Command, ExecEvent, ExecExit, ExecInput, ExecOutput, ExecStatus, Guest, RefusalReason,
};
use tokio::time::timeout;

use crate::patience::patient;

const LIMIT: Duration = Duration::from_secs(180);
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// To be run.
#[derive(Debug)]
pub struct VmCommand<'a> {
    guest: &'a Guest,
    command: Command,
    stdin: Vec<u8>,
}

impl<'a> VmCommand<'a> {
    pub(super) fn new(guest: &'a Guest, argv: Vec<String>) -> Self {
        let command = Command {
            argv,
            env: vec![("PATH".to_owned(), PATH.to_owned())],
            workdir: String::new(),
            user: String::new(),
            stdin: false,
            memory_bytes: 0,
            pids: 0,
            timeout: None,
            start_limit: patient(LIMIT),
            id: None,
            output_offset: 0,
            stdin_sent: Some(0),
            terminal: None,
        };
        Self { guest, command, stdin: Vec::new() }
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn workdir(mut self, path: &str) -> Self {
        path.clone_into(&mut self.command.workdir);
        self
    }

    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.command.user);
        self
    }

    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.command.memory_bytes = bytes;
        self
    }

    #[must_use]
    pub fn pids(mut self, pids: u32) -> Self {
        self.command.pids = pids;
        self
    }

    #[must_use]
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.command.timeout = Some(limit);
        self
    }

    /// What it reads, and then the end; without this there is the end at once.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.stdin = true;
        self.stdin = bytes.into();
        self
    }

    /// Starts it and hands over its ends. Its stdin is left to the caller.
    pub async fn start(self) -> anyhow::Result<(ExecInput, ExecOutput)> {
        Ok(self.guest.exec(self.command).await?)
    }

    /// Runs it to its end. `Err` when the agent has no end to tell.
    pub async fn ended(mut self) -> anyhow::Result<Ended> {
        let bytes = std::mem::take(&mut self.stdin);
        let (feeds, shown) = (self.command.stdin, format!("{:.200?}", self.command.argv));
        let started = Instant::now();
        let (input, mut output) = self.start().await?;
        let feed = async {
            // A command that has ended reads no more.
            if feeds && input.stdin(bytes.into()).await.is_ok() {
                input.close_stdin().await.ok();
            }
        };
        let drain = async {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            loop {
                match output.next().await? {
                    ExecEvent::Started { .. } | ExecEvent::StdinTaken { .. } | ExecEvent::Up(_) => {
                    }
                    ExecEvent::Stdout(bytes) => stdout.extend_from_slice(&bytes),
                    ExecEvent::Stderr(bytes) => stderr.extend_from_slice(&bytes),
                    ExecEvent::Refused { reason, message } => {
                        return anyhow::Ok(Ended::Refused { reason, message });
                    }
                    ExecEvent::Exited(exit) => {
                        let took = started.elapsed();
                        return Ok(Ended::Ran(Ran { exit, stdout, stderr, took }));
                    }
                }
            }
        };
        let limit = patient(LIMIT);
        match timeout(limit, async { tokio::join!(feed, drain).1 }).await {
            Ok(ended) => ended,
            Err(_) => bail!("{shown} did not end within {limit:?}"),
        }
    }

    /// Runs it to its end. `Err` when it was refused.
    pub async fn run(self) -> anyhow::Result<Ran> {
        match self.ended().await? {
            Ended::Ran(ran) => Ok(ran),
            Ended::Refused { reason, message } => bail!("refused: {reason:?}: {message}"),
        }
    }
}

#[derive(Debug)]
pub enum Ended {
    Ran(Ran),
    Refused { reason: RefusalReason, message: String },
}

/// A command that ran.
#[derive(Debug)]
pub struct Ran {
    pub exit: ExecExit,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
}

impl Ran {
    /// What it printed, when it ended well.
    pub fn printed(&self) -> anyhow::Result<String> {
        let stderr = String::from_utf8_lossy(&self.stderr);
        let stdout = String::from_utf8_lossy(&self.stdout);
        ensure!(
            self.exit.status == ExecStatus::Code(0),
            "{:?}\nstdout: {stdout:.2000}\nstderr: {stderr:.2000}",
            self.exit
        );
        Ok(stdout.into_owned())
    }
}
