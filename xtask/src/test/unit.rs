//! The crates' own tests and the examples in their documentation.

use std::{path::Path, process::Command};

use super::Counts;
use crate::{arguments::TestOptions, program, say, setup::Tools, show, workspace};

pub(super) fn run(
    options: &TestOptions,
    image: &Path,
    tools: &Tools,
    temporary: &Path,
) -> anyhow::Result<Counts> {
    // Only the first shard, so that the shards together run everything once.
    if options.shard.as_deref().is_some_and(|shard| !shard.starts_with("1/")) {
        say!("==> the crates' own tests are the first shard's");
        return Ok(Counts::default());
    }
    say!("==> the crates' own tests");
    let mut counts = Counts::default();
    for arguments in [
        ["--workspace", "--exclude", "kiln-tests"].as_slice(),
        // Its stories come later.
        &["--package", "kiln-tests", "--lib"],
    ] {
        let mut cargo = workspace::cargo();
        cargo.args(["test", "--no-fail-fast"]).args(arguments).args(&options.filter);
        // For the few that boot a machine without any of our daemons.
        cargo
            .env("KILN_GUEST_IMAGE", image)
            .env("KILN_VHOST_DEVICE_VSOCK", &tools.vhost_device_vsock);
        counts += counted(cargo.env("TMPDIR", temporary))?;
    }
    Ok(counts)
}

/// Shows what cargo says and adds up what its harnesses report.
fn counted(cargo: &mut Command) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    let status = program::each_line(cargo, |line| {
        show!("{line}");
        counts += Counts::parse(line).unwrap_or_default();
    })?;
    // A harness that died, or that could not be built, reported nothing.
    if !status.success() && counts.failed == 0 {
        show!("cargo test: {status}");
        counts.failed += 1;
    }
    Ok(counts)
}
