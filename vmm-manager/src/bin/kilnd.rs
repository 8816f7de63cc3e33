//! The manager on each host.

use std::{
    io::{IsTerminal as _, stderr},
    mem::ManuallyDrop,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use kiln_vmm_manager::{
    config::{Config, DoctorFlags, Flags},
    daemon::{self, Shutdown},
    doctor,
};
use tracing_subscriber::EnvFilter;

/// The daemon by itself, or a word that says what else is to be done.
#[derive(Debug, Parser)]
#[command(name = "kilnd", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(flatten)]
    daemon: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Doctor(Box<DoctorFlags>),
}

fn main() -> anyhow::Result<ExitCode> {
    let CommandLine { daemon, command } = CommandLine::parse();
    // What the doctor finds stands in its report.
    let level = if command.is_some() { "error" } else { "info" };
    let filter = EnvFilter::try_from_env("KILN_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    match command {
        Some(Command::Doctor(flags)) => runtime()?.block_on(doctor::run(*flags)),
        None => {
            let config = Config::resolve(daemon)?;
            // Root as yet, and one thread: neither is so from here on.
            let claimed = daemon::claim(config, Vec::new())?;
            runtime()?.block_on(async { daemon::run(claimed, Shutdown::on_signals()?).await })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Never dropped, whether the daemon stops, fails or panics: dropping a machine ends it, and those
/// that run are the next kilnd's.
fn runtime() -> std::io::Result<ManuallyDrop<tokio::runtime::Runtime>> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map(ManuallyDrop::new)
}
