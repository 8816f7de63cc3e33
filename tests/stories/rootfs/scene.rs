//! A kilnd, and pictures of a busybox that its guests have.

use std::{path::PathBuf, time::Duration};

use anyhow::ensure;
use kiln_tests::{Finished, Host, Kiln, Stage};
use serde_json::Value;

use super::picture::Picture;

/// A conversion, a check, and a boot more.
const LIMIT: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) host: Host,
    busybox: Vec<u8>,
    directory: PathBuf,
}

impl Scene {
    pub(super) async fn set(stage: &Stage) -> anyhow::Result<Self> {
        let host = stage.host().start().await?;
        let directory = stage.directory().to_owned();
        let file = directory.join("busybox");
        let output = format!("/bin/busybox:{}", file.display());
        went_well(&host.kiln(["run", "--output-raw", &output, "--", "true"]).run().await?)?;
        Ok(Self { host, busybox: std::fs::read(file)?, directory })
    }

    /// A place of the story's own.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub(super) fn picture(&self) -> Picture {
        Picture::of(&self.busybox)
    }

    /// Of this picture, with these words more; what is made is `NAME.ext4`.
    pub(super) async fn rootfs(
        &self,
        name: &str,
        picture: &Picture,
        words: &[&str],
    ) -> anyhow::Result<Finished> {
        let archive = self.path(&format!("{name}.tar"));
        picture.write(&archive)?;
        let kiln = self.kiln(&["rootfs", "-o"]).argument(self.path(&format!("{name}.ext4")));
        kiln.arguments(words).argument(&archive).run().await
    }

    pub(super) fn kiln(&self, words: &[&str]) -> Kiln {
        // What a caller's docker knows is not to be known here.
        let kiln = self.host.kiln(words).limit(LIMIT).own_variable("HOME", &self.directory);
        kiln.without_variable("DOCKER_CONFIG")
    }

    /// As `kiln job get` has the newest job.
    pub(super) async fn record(&self) -> anyhow::Result<Value> {
        let job = self.host.newest_job().await?;
        let shown = self.host.kiln(["job", "get", "--json", &job.id]).run().await?;
        went_well(&shown)?;
        shown.json()
    }

    pub(super) async fn ends(self) -> anyhow::Result<()> {
        self.host.vms_are_gone().await?;
        self.host.stop().await
    }
}

pub(super) fn went_well(ended: &Finished) -> anyhow::Result<()> {
    ensure!(ended.code == Some(0), "{ended}");
    Ok(())
}
