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
//! real command line, a [`Vm`] a guest without either. What is about the daemon and not about guests
//! is told with [`stub`] guests, with faults in the daemon's writes (`kiln_faults`), and with daemons
//! that die at a named step ([`fault`]). Nothing waits for a fixed time: [`until()`]
//! polls, with limits that a loaded machine under TCG meets. Around each story stands a
//! [`Census`] of the host: a process, mount, cgroup, socket, interface, table or file that carries
//! the story's name and is still there afterwards fails it.
//!
//! A story that is marked `nested` is told twice: with guests of QEMU's, and with guests of Cloud
//! Hypervisor's under KVM, in an emulated machine where the host's KVM can't run them. It is the same
//! program and the same code both times; what differs is in its [`Settings`].
//!
//! Stories boot VMs, so they run under `cargo xtask test` alone, which says in the environment
//! where things are ([`Settings`]); plain `cargo test` reports them as not run.

pub mod bare;
mod bench;
mod census;
mod client;
mod dice;
mod doctor;
pub mod fault;
mod hog;
mod host;
mod kiln;
mod memory;
mod namespace;
mod nested;
mod patience;
mod pattern;
mod report;
mod scratch;
mod settings;
mod shard;
mod stage;
mod statistics;
mod story;
pub mod stub;
mod telling;
mod tokens;
mod until;
mod vm;
mod work;
pub mod world;

pub use self::{
    bare::{Bare, BareVm},
    bench::{Bench, Measuring, bench},
    census::{Census, Leftover},
    client::{Client, Written, details, has_ended},
    dice::Dice,
    hog::{Hog, Hogged, Hogs},
    host::{Host, HostSetup, Seen, Sight, VmProcess},
    kiln::{Finished, Kiln, Running},
    memory::ResidentPeak,
    namespace::Namespace,
    pattern::{Counting, digest, noise},
    report::Report,
    settings::{Settings, Tier},
    shard::Shard,
    stage::Stage,
    statistics::{Estimate, median, median_seconds, p95_seconds},
    story::{Story, Telling, block_on},
    telling::tell,
    tokens::VmTokens,
    until::until,
    vm::{Boot, BootEnd, BootingVm, Ended, Ran, RootImage, Vm, VmCommand},
    work::Work,
    world::World,
};
