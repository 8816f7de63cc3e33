//! A `kilnd` of our own, in a home of its own.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::{Signal, pidfd_send_signal};

use crate::{interrupt, privileges, program, say, setup::Tools, temporary::TemporaryDirectory};

/// It boots a guest to find out what runs one here: long, under emulation on a busy machine.
const START: Duration = Duration::from_secs(300);
/// It ends the VMs that run.
const STOP: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);
/// Addresses that documentation has for itself.
const NETWORK: [&str; 4] = ["--guest-pool", "198.51.100.0/24", "--guest-link", "192.0.2.0/30"];

/// Stopped and removed when dropped.
#[derive(Debug)]
pub(crate) struct Daemon {
    child: Child,
    directory: Option<TemporaryDirectory>,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub(crate) fn start(kilnd: &Path, image: &Path, tools: &Tools) -> anyhow::Result<Self> {
        let directory = TemporaryDirectory::new("demo")?;
        let tools = tools.within_reach(directory.path())?;
        let log = File::create(log_file(directory.path())).context("the daemon's log")?;
        // Its networks are in a namespace of its own: nothing here changes for a demonstration.
        let mut command = privileges::as_root("unshare");
        command
            .args(["--net", "--", "sh", "-c", "ip link set lo up && exec \"$0\" \"$@\""])
            .arg(kilnd)
            .args(NETWORK)
            .arg("--home")
            .arg(directory.path().join("home"))
            .arg("--socket")
            .arg(socket(directory.path()))
            .arg("--guest-image")
            .arg(image)
            .arg("--vhost-device-vsock")
            .arg(&tools.vhost_device_vsock)
            .args(["--user", &privileges::ordinary_user().to_string()])
            .args(["--accelerator", "auto", "--allow-emulation"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let child = program::spawn(&mut command)?;
        let mut daemon = Self { child, directory: Some(directory) };
        daemon.wait_until_listening().with_context(|| daemon.log())?;
        Ok(daemon)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        socket(self.path())
    }

    /// What it said, for whoever has to find out what went wrong.
    pub(crate) fn log(&self) -> String {
        let text = std::fs::read_to_string(log_file(self.path())).unwrap_or_default();
        format!("kilnd said:\n{}", text.trim_end())
    }

    /// Stops it in order; nothing of it is left.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        let log = self.log();
        let ended = self.end()?;
        ensure!(ended, "kilnd did not end within {STOP:?} and was killed\n{log}");
        self.directory.take().map_or(Ok(()), TemporaryDirectory::remove)
    }

    fn path(&self) -> &Path {
        self.directory.as_ref().map_or(Path::new("/nonexistent"), TemporaryDirectory::path)
    }

    fn wait_until_listening(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !self.socket().exists() {
            interrupt::check()?;
            if let Some(status) = self.child.try_wait()? {
                anyhow::bail!("kilnd ended: {status}");
            }
            ensure!(Instant::now() < deadline, "kilnd did not listen within {START:?}");
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// SIGINT, a while, SIGKILL. Whether the first was enough. SIGTERM would leave VMs that run to
    /// the next daemon of the home, and there is none.
    fn end(&mut self) -> anyhow::Result<bool> {
        self.signal(Signal::INT);
        let deadline = Instant::now() + STOP;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                return Ok(true);
            }
            thread::sleep(PAUSE);
        }
        self.signal(Signal::KILL);
        program::wait(&mut self.child)?;
        Ok(false)
    }

    fn signal(&self, signal: Signal) {
        let Some(handle) = interrupt::handle(&self.child) else { return };
        // Under sudo it is sudo's, which passes it on but belongs to root.
        if pidfd_send_signal(handle, signal).is_err() && !privileges::is_root() {
            let mut kill: Command = privileges::as_root("kill");
            let _ =
                kill.arg(format!("-{}", signal.as_raw())).arg(self.child.id().to_string()).status();
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Reaped already when it was stopped in order.
        if let Err(error) = self.end() {
            say!("kilnd could not be stopped: {error:#}");
        }
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("kilnd.sock")
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("kilnd.log")
}
