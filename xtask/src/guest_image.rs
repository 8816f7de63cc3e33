//! The guest image: the agent, built for a guest, and all that it boots with.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::{arguments::ImageOptions, binaries::Binaries, program, say, setup, show, workspace};

const AGENT: &str = "kiln-agent";
/// The converter, and what it puts into root filesystems.
const TOOLS: [&str; 2] = ["kiln-rootfs", "kiln-init"];

/// `cargo xtask image`
pub(crate) fn image(options: &ImageOptions) -> anyhow::Result<()> {
    setup::setup()?;
    say!("==> building kiln-image");
    let mut cargo = workspace::cargo();
    let binaries = Binaries::build(cargo.args(["build", "--workspace", "--bins"]))?;
    show!("{}", build(&binaries, options)?.display());
    Ok(())
}

/// Builds the agent and the image around it; the answer is the image's directory.
pub(crate) fn build(binaries: &Binaries, options: &ImageOptions) -> anyhow::Result<PathBuf> {
    let guest = guest_binaries()?;
    say!("==> making the guest image");
    let mut build = program::command(binaries.path("kiln-image")?, ["build", "--agent"]);
    build.arg(guest.path(AGENT)?);
    for tool in TOOLS {
        build.arg("--tool").arg(guest.path(tool)?);
    }
    if options.refresh {
        build.arg("--refresh");
    }
    if options.verify_reproducible {
        build.arg("--verify-reproducible");
    }
    let directory = PathBuf::from(program::capture(&mut build)?.trim_end());
    ensure!(directory.is_dir(), "kiln-image named no directory");
    Ok(directory)
}

/// What guests start with.
pub(crate) fn agent() -> anyhow::Result<PathBuf> {
    guest_binaries()?.path(AGENT).cloned()
}

/// Static, and without anything that would look up names at run time.
fn guest_binaries() -> anyhow::Result<Binaries> {
    say!("==> building the agent and the tools of guests");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = workspace::cargo();
    cargo.args(["build", "--profile", "agent"]);
    for package in [&[AGENT], &TOOLS[..]].concat() {
        cargo.args(["--package", package, "--bin", package]);
    }
    cargo
        .args(["--target", &target, "--target-dir"])
        .arg(workspace::agent_target_directory())
        // With a target named, build scripts and macros are not built with these.
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    Binaries::build(&mut cargo).context("building what runs in guests")
}
