//! `kiln-image`: makes and checks guest images.

use std::{
    io::{IsTerminal as _, stderr},
    path::PathBuf,
    process::ExitCode,
    thread,
};

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use kiln_images::{BuildRequest, GuestImage, ImageFile, build, interrupt, is_interrupted};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Makes and checks the guest images that Kiln's microVMs boot from.
#[derive(Parser)]
#[command(version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make an image of Debian packages and an agent; print the directory it is in.
    Build(Build),
    /// Compare every byte of an image with its manifest.
    Verify {
        /// The directory of the image.
        directory: PathBuf,
    },
}

#[derive(Args)]
struct Build {
    /// The static agent that becomes /init.
    #[arg(long)]
    agent: PathBuf,
    /// A static program that comes along with the image.
    #[arg(long = "tool", value_name = "FILE")]
    tools: Vec<PathBuf>,
    /// Where the image goes [default: into the cache]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Where the slow parts are kept [default: kiln in the user's cache]
    #[arg(long)]
    cache: Option<PathBuf>,
    /// Look for newer packages; otherwise those of the last look are used.
    #[arg(long)]
    refresh: bool,
    /// Make kernel and root twice from nothing, and fail when they differ.
    #[arg(long)]
    verify_reproducible: bool,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_target(false)
        .without_time()
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr)
        .init();
    match run(CommandLine::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) if is_interrupted() => {
            tracing::error!("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(CommandLine { command }: CommandLine) -> anyhow::Result<()> {
    match command {
        Command::Build(arguments) => {
            interrupt_on_signal()?;
            announce(&build(&arguments.into())?);
        }
        Command::Verify { directory } => {
            let image = GuestImage::open(directory)?;
            image.verify()?;
            announce(&image);
        }
    }
    Ok(())
}

impl From<Build> for BuildRequest {
    fn from(arguments: Build) -> Self {
        let Build { agent, tools, output, cache, refresh, verify_reproducible } = arguments;
        // The workspace has one version.
        let agent_version = env!("CARGO_PKG_VERSION").to_owned();
        Self { agent, tools, agent_version, output, cache, refresh, verify_reproducible }
    }
}

/// Lets a build that is told to stop clean up behind itself.
fn interrupt_on_signal() -> anyhow::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("signals")?;
    thread::spawn(move || signals.forever().for_each(|_| interrupt()));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the one thing that is asked for")]
fn announce(image: &GuestImage) {
    let GuestImage { kernel, kernel_release, initramfs, root, tools, .. } = image;
    for ImageFile { path, sha256, size } in [kernel, initramfs, root, tools] {
        let file = path.file_name().unwrap_or_default().display();
        tracing::info!(digest = sha256, size, "{file}");
    }
    tracing::info!(kernel_release, agent_version = image.agent_version, "the image is complete");
    println!("{}", root.path.parent().unwrap_or(&root.path).display());
}
