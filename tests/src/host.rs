//! A host of a story's own: a real kilnd in the story's directory.

mod api;
mod believed;
mod daemon;
mod mortal;
mod setup;
mod sight;

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{Job, Phase};
use rustix::process::{Pid, Signal, kill_process};

use self::daemon::Daemon;
pub(crate) use self::setup::Kind;
pub use self::{
    setup::HostSetup,
    sight::{Seen, Sight},
};
use crate::{
    Census, Client, Kiln, Namespace, ResidentPeak, Settings, census::processes,
    stage::sockets_below, until,
};

/// From SIGTERM to the daemon's end, with guests to be stopped.
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// From a job that was accepted to its running command.
pub(crate) const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// From a job's end to the end of the last of its processes.
const RELEASE_LIMIT: Duration = Duration::from_secs(30);

/// Whom a story's daemons become: nobody else's number, and one without a name.
pub(crate) const USER: u32 = 64_999;

/// What a daemon leaves beside its home when it has met its fault.
pub(crate) const FAULT_NOTE: &str = "fault";

#[derive(Debug)]
pub struct Host {
    settings: std::sync::Arc<Settings>,
    daemon: Daemon,
    home: PathBuf,
    socket: PathBuf,
    namespace: Option<Namespace>,
}

impl Host {
    /// The real command line, as the operator of this host.
    pub fn kiln<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Kiln {
        Kiln::new(&self.settings.cli, &self.socket, arguments)
    }

    /// The command line in a terminal of its own: what it writes comes back on one stream, and what
    /// it is fed is typed.
    pub fn kiln_in_a_terminal(&self, arguments: &str) -> Kiln {
        let command =
            format!("stty rows 33 cols 77; exec {} {arguments}", self.settings.cli.display());
        Kiln::new(Path::new("script"), &self.socket, ["-qec", &command, "/dev/null"])
    }

    /// Outlives this daemon.
    pub fn client(&self) -> Client {
        Client::new(&self.socket)
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

    /// The supervisors of its VMs.
    pub fn supervisors(&self) -> anyhow::Result<Vec<u32>> {
        let vms = self.home.join("vms").display().to_string();
        let ours = processes()?
            .into_iter()
            .filter(|process| process.name.contains("kiln-shim") && process.traces.contains(&vms));
        let id = |name: &str| name.split_once(": ")?.0.parse().ok();
        Ok(ours.filter_map(|process| id(&process.name)).collect())
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

    /// Ctrl-C: checks that the daemon ends, ends its jobs and takes everything with it.
    pub async fn stop(self) -> anyhow::Result<()> {
        let vms = self.home.join("vms");
        self.stop_leaving_directories().await?;
        let left = std::fs::read_dir(vms)?.count();
        ensure!(left == 0, "kilnd left {left} VMs' directories behind");
        Ok(())
    }

    /// The same where a story has put directories there that are not kilnd's to remove.
    pub async fn stop_leaving_directories(mut self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::INT)?;
        let status = self.daemon.ended(STOP_LIMIT).await?;
        ensure!(status.success(), "kilnd ended with {status} on SIGINT");
        ensure!(!self.socket.exists(), "kilnd left its socket behind");
        let sockets = sockets_below(&self.home);
        ensure!(sockets.is_empty(), "kilnd left sockets behind: {sockets:?}");
        ensure!(self.vm_processes()?.is_empty(), "kilnd left {:?}", self.vm_processes()?);
        let groups = self.cgroups()?;
        ensure!(groups.is_empty(), "kilnd left {groups:?}");
        let network = self.network()?;
        ensure!(network.is_empty(), "kilnd left {network:?}");
        Ok(())
    }

    /// A signal to the daemon alone.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.daemon.signal(signal)
    }

    /// The program of root's that works for it.
    pub fn helper(&self) -> anyhow::Result<VmProcess> {
        let children = format!("/proc/{0}/task/{0}/children", self.process());
        let children = std::fs::read_to_string(children)?;
        let command = |id: &str| std::fs::read_link(format!("/proc/{id}/exe")).ok();
        let is_helper = |id: &&str| {
            command(id).is_some_and(|path| path.to_string_lossy().contains("kiln-helper"))
        };
        let id = children.split_whitespace().find(is_helper).context("there is no helper")?;
        Ok(VmProcess { id: id.parse()?, command: "kiln-helper".to_owned() })
    }

    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        Ok(self.daemon.has_ended()?.is_some())
    }

    /// SIGKILL to the daemon alone: its VMs run on for the next one, or are its to clear away.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.daemon.signal(Signal::KILL)?;
        self.daemon.ended(STOP_LIMIT).await?;
        Ok(())
    }

    /// Waits until it ends by itself, or by what was planned for it.
    pub async fn ended(&mut self, limit: Duration) -> anyhow::Result<std::process::ExitStatus> {
        self.daemon.ended(limit).await
    }

    /// The control groups that bear the name of its instance.
    pub fn cgroups(&self) -> anyhow::Result<Vec<String>> {
        let instance = std::fs::read_to_string(self.home.join("instance"))?;
        Ok(Census::cgroups_named(instance.trim()))
    }

    /// What bears the name of its instance among the host's links and tables of nftables.
    pub fn network(&self) -> anyhow::Result<Vec<String>> {
        let Some(namespace) = &self.namespace else { return Ok(Vec::new()) };
        let instance = std::fs::read_to_string(self.home.join("instance"))?;
        let instance = instance.trim();
        let link = format!("k{}-", instance.get(..6).unwrap_or(instance));
        let mut found = namespace.interfaces()?;
        found.retain(|name| name.starts_with(&link));
        found.extend(namespace.tables()?.into_iter().filter(|name| name.contains(instance)));
        Ok(found)
    }

    /// Whether it is a VM's, and not the one in which all of them are.
    pub fn is_vms_cgroup(&self, path: &str) -> bool {
        path.rsplit_once('/').is_some_and(|(above, _)| above.contains("/kiln-"))
    }

    /// The place where it was to lose its VMs.
    pub async fn fault_was_met(&self, limit: Duration) -> anyhow::Result<()> {
        let note = self.home.with_extension(FAULT_NOTE);
        until("the fault is met", limit, async || Ok(note.exists().then_some(()))).await
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
