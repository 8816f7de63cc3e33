//! `kiln build`, and when in it the agent was up.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Bench, Host};

use super::DOCKERFILE;

pub(super) struct Built {
    /// From the request to the result.
    pub(super) whole: Duration,
    /// From the agent's hello on.
    pub(super) once_up: Duration,
}

/// What comes before there is an agent.
const BEFORE: [&str; 5] = ["queue", "disks", "vmm", "boot", "hello"];

pub(super) async fn context(bench: &Bench, host: &Host) -> anyhow::Result<PathBuf> {
    let context = bench.stage.directory().join("context");
    std::fs::create_dir(&context)?;
    std::fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    let output = format!("/bin/busybox:{}", context.join("busybox").display());
    let ended = host.kiln(["run", "--output-raw", &output, "--", "true"]).run().await?;
    ensure!(ended.code == Some(0), "{ended}");
    Ok(context)
}

pub(super) async fn build(host: &Host, context: &Path) -> anyhow::Result<Built> {
    let archive = context.with_extension("tar");
    let output = format!("type=oci,dest={}", archive.display());
    let words = ["build", "--memory", "1536M", "--progress", "plain", "--no-cache"];
    let kiln = host.kiln(words).arguments(["--output", &output]).argument(context);
    let ended = kiln.run().await?;
    ensure!(ended.code == Some(0), "{ended}");
    let job = host.newest_job().await?;
    let mut before = Duration::ZERO;
    for name in BEFORE {
        let phase = job.phases.iter().find(|phase| phase.name == name);
        let took = phase.and_then(|phase| phase.duration).context("a phase without an end")?;
        before += Duration::try_from(took)?;
    }
    host.vms_are_gone().await?;
    Ok(Built { whole: ended.took, once_up: ended.took.saturating_sub(before) })
}
