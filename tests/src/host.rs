//! A host of a story's own: a real kilnd in the story's directory.

mod api;
mod daemon;
mod setup;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{Job, Phase};
use rustix::process::{Pid, Signal, kill_process};

use self::daemon::Daemon;
pub use self::setup::HostSetup;
use crate::{Kiln, ResidentPeak, Settings, census::processes, stage::sockets_below, until};

/// From SIGTERM to the daemon's end, with guests to be stopped.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// From a job that was accepted to its running command.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// From a job's end to the end of the last of its processes.
const RELEASE_LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub struct Host {
    settings: std::sync::Arc<Settings>,
    daemon: Daemon,
    home: PathBuf,
    socket: PathBuf,
}

impl Host {
    /// The real command line, as the operator of this host.
    pub fn kiln<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Kiln {
        Kiln::new(&self.settings.cli, &self.socket, arguments)
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The daemon's process.
    pub fn process(&self) -> u32 {
        self.daemon.id()
    }

    /// From now on.
    pub fn resident_peak(&self) -> anyhow::Result<ResidentPeak> {
        ResidentPeak::start(self.process())
    }

    /// The processes of VMs, by what they are and have open: the emulator, the bridge and whatever
    /// else works in a VM's directory.
    pub fn vm_processes(&self) -> anyhow::Result<Vec<VmProcess>> {
        let vms = self.home.join("vms").display().to_string() + "/";
        let daemon = format!("{}: ", self.process());
        Ok(processes()?
            .into_iter()
            .filter(|process| process.traces.contains(&vms) && !process.name.starts_with(&daemon))
            .filter_map(|process| {
                let (id, command) = process.name.split_once(": ")?;
                Some(VmProcess { id: id.parse().ok()?, command: command.to_owned() })
            })
            .collect())
    }

    /// Until no VM is left: neither a process nor its directory.
    pub async fn vms_are_gone(&self) -> anyhow::Result<()> {
        until("every VM is gone", RELEASE_LIMIT, async || {
            let files = std::fs::read_dir(self.home.join("vms"))?.count();
            Ok((files == 0 && self.vm_processes()?.is_empty()).then_some(()))
        })
        .await
        .with_context(|| format!("left: {:?}", self.vm_processes()))
    }

    /// Asks the daemon to end, and checks that it does and takes everything with it.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::TERM)?;
        let status = self.daemon.ended(STOP_LIMIT).await?;
        ensure!(status.success(), "kilnd ended with {status} on SIGTERM");
        ensure!(!self.socket.exists(), "kilnd left its socket behind");
        let vms = std::fs::read_dir(self.home.join("vms"))?.count();
        ensure!(vms == 0, "kilnd left {vms} VMs' directories behind");
        let sockets = sockets_below(&self.home);
        ensure!(sockets.is_empty(), "kilnd left sockets behind: {sockets:?}");
        ensure!(self.vm_processes()?.is_empty(), "kilnd left {:?}", self.vm_processes()?);
        Ok(())
    }

    /// SIGKILL, and nothing else: its VMs must go with it, by the kernel's hand. What is left in
    /// its home is the next daemon's to clear.
    pub async fn die(mut self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::KILL)?;
        self.daemon.ended(STOP_LIMIT).await?;
        until("the VMs have died with their kilnd", RELEASE_LIMIT, async || {
            Ok(self.vm_processes()?.is_empty().then_some(()))
        })
        .await
        .with_context(|| format!("left: {:?}", self.vm_processes()))
    }

    /// A job that sleeps in its VM.
    pub async fn sleeping_job(&self) -> anyhow::Result<Job> {
        let accepted = self.kiln(["run", "--detach", "--", "sleep", "86400"]).run().await?;
        ensure!(accepted.code == Some(0), "{accepted}");
        let id = accepted.stdout_text().trim().to_owned();
        until("the command runs", BOOT_LIMIT, async || {
            let job = self.job(&id).await?;
            ensure!(job.failure.is_none(), "{:?}", job.failure);
            Ok((job.phase() == Phase::Building).then_some(job))
        })
        .await
    }
}

/// One process of a VM.
#[derive(Clone, Debug)]
pub struct VmProcess {
    pub id: u32,
    pub command: String,
}

impl VmProcess {
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let id = i32::try_from(self.id).ok().and_then(Pid::from_raw).context("no process id")?;
        kill_process(id, signal).with_context(|| format!("signalling {}", self.command))
    }
}
