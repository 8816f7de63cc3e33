//! kilnd with stub guests, or with QEMU's, that can be told to die at any step of a job.

use std::{io::IsTerminal as _, mem::ManuallyDrop, path::PathBuf};

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use kiln_tests::{
    fault,
    stub::{self, StubVmm},
};
use kiln_vmm_manager::{
    config::{Config, Flags},
    daemon::{self, Shutdown},
};
use tracing_subscriber::EnvFilter;

#[derive(Clone, Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    kilnd: Flags,

    /// Whose VMs are run.
    #[arg(long, value_enum, default_value_t = Driver::Stub)]
    driver: Driver,

    /// Where the switches of stub guests are.
    #[arg(long, value_name = "DIR")]
    switches: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Driver {
    Stub,
    Qemu,
}

fn main() -> anyhow::Result<()> {
    let Arguments { kilnd, driver, switches } = Arguments::parse();
    let filter = EnvFilter::try_from_env("KILN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let stderr = std::io::stderr;
    let colours = stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(stderr).init();
    fault::arm(&kilnd.home)?;
    let mut config = Config::resolve(kilnd)?;
    if let Ok(mebibytes) = std::env::var(stub::MEMORY) {
        let mebibytes: u64 = mebibytes.parse().context(stub::MEMORY)?;
        config.budget.memory_bytes = mebibytes.saturating_mul(1 << 20);
    }
    let home = config.home.clone();
    let claimed = daemon::claim(config, vec![stub::PROGRAM.into()])?;
    if let Some(report) = std::env::var_os(stub::TRESPASS) {
        std::fs::write(report, stub::trespass(&home))?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Never dropped, as kilnd's.
    let runtime = ManuallyDrop::new(runtime);
    runtime.block_on(async {
        let shutdown = Shutdown::on_signals()?;
        match driver {
            Driver::Qemu => daemon::run(claimed, shutdown).await,
            Driver::Stub => {
                let switches = switches.context("--switches says where the switches are")?;
                let vmm = StubVmm::beside_this_program(&switches)?;
                daemon::run_with(claimed, Box::new(vmm), shutdown).await
            }
        }
    })
}
