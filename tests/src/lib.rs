//! The VM harness: what the end-to-end stories stand on.
//!
//! A story is an async function that is given a [`Stage`] and reads as a story about a guest:
//!
//! ```ignore
//! async fn the_exit_code_is_the_commands(stage: &Stage) -> anyhow::Result<()> {
//!     let host = stage.host().start().await?;
//!     let ended = host.kiln(["run", "--", "sh", "-c", "exit 7"]).run().await?;
//!     assert_eq!(ended.code, Some(7), "{ended}");
//!     host.stop().await
//! }
//! ```
//!
//! The stage is a directory of the story's own. A [`Host`] is a real `kilnd` in it, a [`Kiln`] the
//! real command line, a [`Vm`] a guest without either. Nothing waits for a fixed time: [`until()`]
//! polls, with limits that a loaded machine under TCG meets. Around each story stands a
//! [`Census`] of the host: a process, mount, cgroup, socket, interface, table or file that carries
//! the story's name and is still there afterwards fails it.
//!
//! Stories boot VMs, so they run under `cargo xtask test` alone, which says in the environment
//! where things are ([`Settings`]); plain `cargo test` reports them as not run.

pub mod bare;
mod bench;
mod census;
mod dice;
mod host;
mod kiln;
mod memory;
mod pattern;
mod report;
mod settings;
mod shard;
mod stage;
mod statistics;
mod story;
mod tokens;
mod until;
mod vm;

pub use self::{
    bare::{Bare, BareVm},
    bench::{Bench, Measuring, bench},
    census::{Census, Leftover},
    dice::Dice,
    host::{Host, HostSetup, VmProcess},
    kiln::{Finished, Kiln, Running},
    memory::ResidentPeak,
    pattern::{Counting, digest, noise},
    report::Report,
    settings::Settings,
    shard::Shard,
    stage::Stage,
    statistics::{Estimate, median, median_seconds},
    story::{Story, Telling, block_on, tell},
    tokens::VmTokens,
    until::until,
    vm::{Ended, Ran, Vm, VmCommand},
};
