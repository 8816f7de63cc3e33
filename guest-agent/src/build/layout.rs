//! Where in a guest everything of builds is.

use std::path::PathBuf;

#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(super) daemon: PathBuf,
    pub(super) containerd: PathBuf,
    pub(super) client: PathBuf,
    /// What programs find others by.
    pub(super) path: String,
    /// On a disk of its own, where `mounts`.
    pub(super) state: PathBuf,
    pub(super) mounts: bool,
    pub(super) socket: PathBuf,
    /// containerd's own directory, in memory.
    pub(super) store: PathBuf,
    /// In memory, for the agent alone.
    pub(super) memory: PathBuf,
    /// As the image, or the registry, has configured the engine.
    pub(super) settings: PathBuf,
    /// Whom the engine trusts beside what it trusts anyway, when there is such a file.
    pub(super) certificate: PathBuf,
}

/// An engine for an agent without a guest: programs that stand for docker's.
#[derive(Clone, Debug)]
pub struct StandInEngine {
    /// Started as `dockerd` is; it answers on the socket that it is told.
    pub daemon: PathBuf,
    /// Started as `containerd` is; it greets on the socket that its settings tell.
    pub containerd: PathBuf,
    /// Started as the agent's own program is to build: `build ORDER`.
    pub client: PathBuf,
    /// For everything of theirs.
    pub directory: PathBuf,
}

impl From<StandInEngine> for Layout {
    fn from(stand_in: StandInEngine) -> Self {
        let StandInEngine { daemon, containerd, client, directory } = stand_in;
        Self {
            daemon,
            containerd,
            client,
            state: directory.join("state"),
            mounts: false,
            socket: directory.join("engine.sock"),
            store: directory.join("containerd.d"),
            memory: directory.join("memory"),
            settings: directory.join("daemon.json"),
            certificate: directory.join("ca.pem"),
            ..Self::default()
        }
    }
}

impl Default for Layout {
    fn default() -> Self {
        Self {
            daemon: "/usr/sbin/dockerd".into(),
            containerd: "/usr/bin/containerd".into(),
            // The agent's own, wherever it is: nothing of it is in the guest's root.
            client: "/proc/self/exe".into(),
            path: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            state: "/var/lib/docker".into(),
            mounts: true,
            socket: "/run/docker.sock".into(),
            store: "/run/kiln/containerd".into(),
            // `/run` is a tmpfs of the agent's, and there is no swap.
            memory: "/run/kiln/builds".into(),
            settings: "/etc/docker/daemon.json".into(),
            certificate: "/run/kiln/ca.pem".into(),
        }
    }
}
