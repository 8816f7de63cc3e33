//! The guest image: the agent, built for a guest, and all that it boots with.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::{arguments::ImageOptions, binaries::Binaries, program, say, setup, show, workspace};

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
    let agent = agent()?;
    say!("==> making the guest image");
    let mut build = program::command(binaries.path("kiln-image")?, ["build", "--agent"]);
    build.arg(agent);
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

/// A static binary without anything that would look up names at run time.
pub(crate) fn agent() -> anyhow::Result<PathBuf> {
    say!("==> building the agent");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = workspace::cargo();
    cargo
        .args(["build", "--package", "kiln-agent", "--bin", "kiln-agent", "--profile", "agent"])
        .args(["--target", &target, "--target-dir"])
        .arg(workspace::agent_target_directory())
        // With a target named, build scripts and macros are not built with these.
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let binaries = Binaries::build(&mut cargo).context("building the agent")?;
    binaries.path("kiln-agent").cloned()
}
