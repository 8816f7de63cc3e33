//! The manager on each host.

use std::{
    io::{IsTerminal as _, stderr},
    mem::ManuallyDrop,
};

use clap::Parser as _;
use kiln_vmm_manager::{
    config::{Config, Flags},
    daemon::{self, Shutdown},
};
use tracing_subscriber::EnvFilter;

fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    let filter = EnvFilter::try_from_env("KILN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal())
        .init();
    let config = Config::resolve(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Never dropped, whether the daemon stops, fails or panics: dropping a machine ends it, and those
    // that run are the next kilnd's.
    let runtime = ManuallyDrop::new(runtime);
    runtime.block_on(async { daemon::run(config, Shutdown::on_signals()?).await })
}
