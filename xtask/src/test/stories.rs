//! The story runner and what it is told in its environment.

use std::{path::Path, process::Command};

use super::StoryReport;
use crate::{
    arguments::TestOptions,
    binaries::Binaries,
    guest_image, privileges, program, say,
    setup::{self, Tools},
    show,
};

/// What stories and benches want to know.
pub(crate) fn environment<'a>(
    command: &'a mut Command,
    binaries: &Binaries,
    image: &Path,
    tools: &Tools,
) -> anyhow::Result<&'a mut Command> {
    Ok(command
        .env("KILN_STORIES", "1")
        .env("KILN_GUEST_IMAGE", image)
        .env("KILN_VHOST_DEVICE_VSOCK", &tools.vhost_device_vsock)
        .env("KILN_REGISTRY_CLIENTS", setup::registry_clients()?)
        .env("KILN_KILND", binaries.path("kilnd")?)
        .env("KILN_CLI", binaries.path("kiln")?)
        .env("KILN_KILND_STUB", binaries.path("kilnd-stub")?)
        .env("KILN_FAULTS", binaries.path("kiln_faults_preload")?)
        .env("KILN_IMAGE_BUILDER", binaries.path("kiln-image")?)
        .env("KILN_ROOTFS", binaries.path("kiln-rootfs")?)
        .env("KILN_AGENT", guest_image::agent()?))
}

pub(super) fn run(
    options: &TestOptions,
    binaries: &Binaries,
    image: &Path,
    tools: &Tools,
    temporary: &Path,
) -> anyhow::Result<StoryReport> {
    say!("==> the stories");
    let TestOptions { full, shard, filter } = options;
    let report = temporary.join("report.jsonl");
    // Not below cargo, which would not pass a signal on.
    let mut command = privileges::as_root(binaries.path("stories")?);
    environment(&mut command, binaries, image, tools)?
        .args(filter)
        .env("KILN_MACHINES", binaries.path("machines")?)
        .env("KILN_STORY_REPORT", &report)
        .env("TMPDIR", temporary);
    if *full {
        command.env("KILN_FULL", "1");
    }
    if let Some(shard) = shard {
        command.env("KILN_SHARD", shard);
    }
    let status = program::finish(program::spawn(&mut command)?)?;
    let lines = std::fs::read_to_string(&report).unwrap_or_default();
    let mut told = StoryReport::parse(&lines)?;
    // The run is its report; it goes with the temporary directory's other files.
    let _ = std::fs::remove_file(&report);
    if !status.success() && !told.has_failed() {
        // A runner that died, or that left something of its own.
        show!("the story runner: {status}");
        told.fail();
    }
    Ok(told)
}
