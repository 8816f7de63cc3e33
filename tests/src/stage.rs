//! What a story is given: a directory of its own, and a clean host around it.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_vmm_manager::vmm::Accelerator;
use tempfile::TempDir;

use crate::{Census, HostSetup, Leftover, Settings, until};

/// How long what a story took may need to be gone: a process that was killed has yet to die.
const LEFTOVER_LIMIT: Duration = Duration::from_secs(20);
/// How much of each daemon's log a failed story shows.
const LOG_TAIL: usize = 4096;

#[derive(Debug)]
pub struct Stage {
    settings: Arc<Settings>,
    directory: TempDir,
    before: Census,
    /// What the names of this story's things contain.
    marks: Mutex<Vec<String>>,
}

impl Stage {
    /// For a story that is about to be told.
    pub fn set_up(settings: Arc<Settings>) -> anyhow::Result<Self> {
        let before = Census::take()?;
        // A short name: the paths of sockets below it hold no more than 107 bytes.
        let directory = tempfile::Builder::new().prefix("kiln-").tempdir()?;
        let marks = Mutex::new(vec![directory.path().display().to_string()]);
        Ok(Self { settings, directory, before, marks })
    }

    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// Gone with the story.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A kilnd in a home of this story's; the same one each time.
    pub fn host(&self) -> HostSetup<'_> {
        HostSetup::new(self)
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
        self.clear().await?;
        ensure!(sockets.is_empty(), "sockets were left: {sockets:?}");
        Ok(())
    }

    /// Takes the stage down and fails when anything of the story's is left outside it: a story that
    /// failed half-way leaves things in it, and even then nothing elsewhere.
    pub async fn clear(&self) -> anyhow::Result<()> {
        let marks = self.marks.lock().unwrap_or_else(PoisonError::into_inner).clone();
        std::fs::remove_dir_all(self.directory()).context("removing the story's directory")?;
        let mut left = Vec::new();
        until("nothing of the story is left", LEFTOVER_LIMIT, async || {
            left = Census::take()?.leftovers(&self.before, &marks);
            Ok(left.is_empty().then_some(()))
        })
        .await
        .with_context(|| left.iter().map(Leftover::to_string).collect::<Vec<_>>().join("\n"))
    }
}

/// Unix sockets in a directory and below it, whether somebody listens or not.
pub(crate) fn sockets_below(directory: &Path) -> Vec<std::path::PathBuf> {
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
mod tests {
    use std::{os::unix::net::UnixListener, sync::OnceLock};

    use super::*;
    use crate::Shard;

    fn stage() -> Stage {
        let nowhere = Path::new("/nonexistent").to_owned();
        Stage::set_up(Arc::new(Settings {
            guest_image: nowhere.clone(),
            vhost_device_vsock: nowhere.clone(),
            kilnd: nowhere.clone(),
            cli: nowhere,
            image_builder: None,
            full: false,
            shard: Shard::WHOLE,
            report: None,
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
