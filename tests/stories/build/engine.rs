//! Docker's engine of the tests, of another version than the guests': it loads what was built.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::Context as _;
use kiln_tests::{Namespace, Stage, until};
use tokio::process::{Child, Command};

use super::foreign;

/// No bridge, no rules: it loads, and runs nothing.
const FLAGS: [&str; 8] = [
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
    "--storage-driver=vfs",
    "--log-level=warn",
    "--config-file=daemon.json",
];
const START: Duration = Duration::from_secs(60);

/// Killed when dropped.
#[derive(Debug)]
pub(super) struct Engine {
    child: Child,
    directory: PathBuf,
    clients: PathBuf,
    namespace: Namespace,
}

impl Engine {
    pub(super) async fn start(stage: &Stage) -> anyhow::Result<Self> {
        let clients = stage.settings().registry_clients.clone();
        let clients = clients.context("KILN_REGISTRY_CLIENTS is not set: run cargo xtask test")?;
        let directory = stage.directory().join("docker");
        std::fs::create_dir(&directory)?;
        std::fs::write(directory.join("daemon.json"), "{}")?;
        let namespace = foreign::namespace(stage)?.clone();
        let [enter, network] = namespace.entry();
        let at = |name: &str| directory.join(name).display().to_string();
        // Its mounts, its control groups and whatever it starts go with it.
        let script =
            "mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /sys/fs/cgroup && exec \"$@\"";
        let child = Command::new(enter)
            .args([&network, "unshare", "--mount", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "sh", "-c", script, "engine"])
            .arg(clients.join("usr/sbin/dockerd"))
            .args(FLAGS)
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args(["--pidfile", &at("pid"), "--host", &format!("unix://{}", at("docker.sock"))])
            .env("PATH", path(&clients))
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(stage.directory().join("docker.log"))?)
            .kill_on_drop(true)
            .spawn()
            .context("starting dockerd")?;
        let engine = Self { child, directory, clients, namespace };
        until("docker's engine listens", START, async || Ok(engine.docker(&["info"]).ok())).await?;
        Ok(engine)
    }

    /// What `docker` says.
    pub(super) fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let host = format!("unix://{}", self.directory.join("docker.sock").display());
        let program = self.clients.join("usr/bin/docker").display().to_string();
        self.namespace.run(&program, &[&["--host", &host], arguments].concat())
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        // Its first process goes, and with it all that came of it.
        self.child.kill().await?;
        std::fs::remove_dir_all(&self.directory).context("removing an engine's state")
    }
}

fn path(clients: &std::path::Path) -> String {
    let own = std::env::var("PATH").unwrap_or_default();
    format!("{0}/usr/bin:{0}/usr/sbin:{own}", clients.display())
}
