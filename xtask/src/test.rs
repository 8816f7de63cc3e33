//! `cargo xtask test`: the crates' own tests, then the stories in real VMs.

mod counts;
mod report;
pub(crate) mod stories;
mod unit;

use self::{counts::Counts, report::StoryReport};
use crate::{
    arguments::{ImageOptions, TestOptions},
    binaries::Binaries,
    guest_image, interrupt,
    leftovers::Leftovers,
    say, setup, show,
    temporary::TemporaryDirectory,
    workspace,
};

/// Whether all that was run passed, and anything was.
pub(crate) fn test(options: &TestOptions) -> anyhow::Result<bool> {
    let tools = setup::setup()?;
    say!("==> building everything");
    let mut cargo = workspace::cargo();
    // With all targets at once every later command finds its dependencies built with the same
    // features.
    let binaries = Binaries::build(cargo.args(["build", "--workspace", "--all-targets"]))?;
    let image = guest_image::build(&binaries, &ImageOptions::default())?;

    let directory = TemporaryDirectory::new("t")?;
    let leftovers = Leftovers::before(directory.path());
    let mut counts = unit::run(options, &image, &tools, directory.path())?;
    let (told, report) = stories::run(options, &binaries, &image, &tools, directory.path())?;
    counts += told;

    summarize(options, &report);
    for leftover in leftovers.after() {
        show!("left behind: {leftover}");
        counts.failed += 1;
    }
    drop(directory);
    interrupt::check()?;
    show!("{counts}");
    Ok(counts.is_success())
}

fn summarize(options: &TestOptions, report: &StoryReport) {
    show!("\nstories, in seconds:\n{report}");
    if let Some(shard) = &options.shard {
        show!("not run: the stories of the other shards, for this is {shard}");
    }
    if let Some(filter) = &options.filter {
        show!("not run: what has not {filter:?} in its name");
    }
    if !options.full {
        show!("not run: the large counts, which --full runs");
    }
    show!("");
}
