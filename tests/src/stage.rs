//! What a story is given: a directory of its own, and a clean host around it.

use std::{
    os::unix::fs::chown,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_vmm_manager::vmm::Accelerator;
use rustix::process::geteuid;
use tempfile::TempDir;

use crate::{
    Census, HostSetup, Leftover, Namespace, Settings,
    census::sweep,
    host::{Kind, USER},
    until,
};

/// How long what a story took may need to be gone: a process that was killed has yet to die.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(20);
/// How much of each daemon's log a failed story shows.
const LOG_TAIL: usize = 4096;

#[derive(Debug)]
pub struct Stage {
    settings: Arc<Settings>,
    directory: TempDir,
    before: Census,
    /// In which its daemons are. Only root can make one.
    namespace: Option<Namespace>,
    /// Its daemons that have networks, each with a pool of its own.
    pools: Mutex<Vec<&'static str>>,
    /// What the names of this story's things contain.
    marks: Mutex<Vec<String>>,
}

impl Stage {
    /// For a story that is about to be told.
    pub fn set_up(settings: Arc<Settings>) -> anyhow::Result<Self> {
        let before = Census::take()?;
        // A short name: the paths of sockets below it hold no more than 107 bytes.
        let directory = tempfile::Builder::new().prefix("kiln-").tempdir()?;
        // Its daemons make their homes and sockets in it, and are not root.
        chown(directory.path(), Some(USER), Some(USER))?;
        let marks = Mutex::new(vec![directory.path().display().to_string()]);
        let namespace = geteuid().is_root().then(Namespace::make).transpose()?;
        Ok(Self { settings, directory, before, namespace, pools: Mutex::default(), marks })
    }

    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Gone with the story.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The network of this story's daemons, which nothing leads out of but what the story makes.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// Thirty addresses for a daemon of this name, whose they stay.
    pub(crate) fn pool_of(&self, name: &'static str) -> anyhow::Result<String> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.iter().position(|known| *known == name);
        let place = known.unwrap_or_else(|| {
            pools.push(name);
            pools.len() - 1
        });
        ensure!(place < 8, "a story has pools for eight daemons");
        Ok(format!("198.51.100.{}/27", place * 32))
    }

    /// A kilnd in a home of this story's; the same one each time.
    pub fn host(&self) -> HostSetup<'_> {
        HostSetup::new(self, Kind::Real)
    }

    /// The same with guests that are none: see [`stub`](crate::stub).
    pub fn stub_host(&self) -> HostSetup<'_> {
        HostSetup::new(self, Kind::Stub)
    }

    /// Where the switches of its stub guests are.
    pub fn switches(&self) -> PathBuf {
        self.directory().join("switches")
    }

    /// What runs guests here; found out by a daemon and a first guest when nobody has said it.
    pub async fn accelerator(&self) -> anyhow::Result<Accelerator> {
        if self.settings.accelerator() == "auto" {
            let host = self.host().start().await?;
            host.kiln(["run", "--", "true"]).run().await?;
            host.newest_job().await?;
            host.stop().await?;
        }
        match self.settings.accelerator() {
            "kvm" => Ok(Accelerator::Kvm),
            "tcg" => Ok(Accelerator::Tcg),
            other => anyhow::bail!("no accelerator is called {other}"),
        }
    }

    /// Whatever is named like this belongs to the story as well.
    pub fn mark(&self, mark: &str) {
        let mut marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner);
        if !marks.iter().any(|known| known == mark) {
            marks.push(mark.to_owned());
        }
    }

    /// The end of each log in the story's directory, for a story that failed.
    pub fn logs(&self) -> String {
        let mut shown = String::new();
        for entry in std::fs::read_dir(self.directory()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "log") {
                continue;
            }
            let text = std::fs::read(&path).unwrap_or_default();
            let tail = &text[text.len().saturating_sub(LOG_TAIL)..];
            let name = entry.file_name();
            let tail = String::from_utf8_lossy(tail);
            shown.extend(["\n--- ", &name.to_string_lossy(), "\n", &tail]);
        }
        if shown.is_empty() { "the story failed".to_owned() } else { shown }
    }

    /// After a story that went well: no socket may be left, and nothing else.
    pub async fn strike(&self) -> anyhow::Result<()> {
        let sockets = sockets_below(self.directory());
        // Whose homes these were is known before they are removed.
        self.left()?;
        self.remove()?;
        let clean = self.is_clean().await;
        if clean.is_err() {
            sweep(&self.left()?).await;
        }
        clean?;
        ensure!(sockets.is_empty(), "sockets were left: {sockets:?}");
        Ok(())
    }

    /// After a story that failed half-way, which leaves things: VMs outlive the daemon that made
    /// them, and one that nobody will take up would outlive us all. They are ended; what can't be
    /// is told.
    pub async fn clear(&self) -> anyhow::Result<()> {
        sweep(&self.left()?).await;
        self.remove()?;
        self.is_clean().await
    }

    fn remove(&self) -> anyhow::Result<()> {
        std::fs::remove_dir_all(self.directory()).context("removing the story's directory")
    }

    async fn is_clean(&self) -> anyhow::Result<()> {
        let mut left = Vec::new();
        until("nothing of the story is left", LEFTOVER_LIMIT, async || {
            left = self.left()?;
            Ok(left.is_empty().then_some(()))
        })
        .await
        .with_context(|| left.iter().map(Leftover::to_string).collect::<Vec<_>>().join("\n"))
    }

    fn left(&self) -> anyhow::Result<Vec<Leftover>> {
        // Also of daemons that never came to answer.
        for home in std::fs::read_dir(self.directory()).into_iter().flatten().flatten() {
            if let Ok(instance) = std::fs::read_to_string(home.path().join("instance")) {
                self.mark(instance.trim());
            }
        }
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(Census::take()?.leftovers(&self.before, &marks))
    }
}

/// Unix sockets in a directory and below it, whether somebody listens or not.
pub(crate) fn sockets_below(directory: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt as _;
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(sockets_below(&entry.path())),
            Ok(kind) if kind.is_socket() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{os::unix::net::UnixListener, sync::OnceLock};

    use super::*;
    use crate::Shard;

    pub(crate) fn stage() -> Stage {
        let nowhere = Path::new("/nonexistent").to_owned();
        Stage::set_up(Arc::new(Settings {
            guest_image: nowhere.clone(),
            vhost_device_vsock: nowhere.clone(),
            registry_clients: None,
            kilnd: nowhere.clone(),
            cli: nowhere.clone(),
            kilnd_stub: nowhere.clone(),
            faults: nowhere,
            image_builder: None,
            full: false,
            shard: Shard::WHOLE,
            report: None,
            tier: crate::Tier::Stories,
            told: None,
            vmm: "qemu".to_owned(),
            cloud_hypervisor: None,
            machines: None,
            asked_accelerator: "tcg".to_owned(),
            seen_accelerator: OnceLock::new(),
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn a_stage_that_is_struck_is_gone() {
        let stage = stage();
        std::fs::write(stage.directory().join("kilnd.log"), "a last word").unwrap();
        assert!(stage.logs().contains("a last word"));
        stage.strike().await.unwrap();
        assert!(!stage.directory().exists());
    }

    #[tokio::test]
    async fn a_stale_socket_is_no_clean_end() {
        let stage = stage();
        drop(UnixListener::bind(stage.directory().join("s")).unwrap());
        assert!(stage.strike().await.is_err());
    }
}
