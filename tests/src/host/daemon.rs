//! The process that is a kilnd.

use std::{
    ffi::OsString,
    fs::OpenOptions,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::patience::patient;

/// Killed when it is dropped.
#[derive(Debug)]
pub(super) struct Daemon {
    child: Child,
    id: u32,
}

impl Daemon {
    /// Its environment is empty but for what it needs: nothing of the caller's leads it astray.
    pub(super) fn start(
        program: &[&Path],
        arguments: &[String],
        environment: &[(String, OsString)],
        directory: &Path,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        // The kernel ends it with us, and it ends its VMs; `setpriv` becomes it, so the process is
        // the same one.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "INT"])
            .args(program)
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TMPDIR", directory)
            .env("RUST_BACKTRACE", "1")
            // Of panics, not of errors.
            .env("RUST_LIB_BACKTRACE", "0")
            .env("RUST_LOG", "info")
            .envs(environment.iter().cloned())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?)
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {command:?}"))?;
        let id = child.id().context("a process without an id")?;
        Ok(Self { child, id })
    }

    pub(super) fn id(&self) -> u32 {
        self.id
    }

    pub(super) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw).context("no process id")?;
        // Still ours: the id is not given to anybody else before we have reaped it.
        anyhow::ensure!(self.child.id().is_some(), "kilnd has ended already");
        kill_process(id, signal).context("signalling kilnd")
    }

    pub(super) fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    pub(super) async fn ended(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let limit = patient(limit);
        let ended = timeout(limit, self.child.wait()).await;
        Ok(ended.with_context(|| format!("kilnd did not end within {limit:?}"))??)
    }
}
