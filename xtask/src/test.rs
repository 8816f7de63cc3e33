//! `cargo xtask test`: the crates' own tests, then the stories in real VMs, in four tiers.

mod counts;
mod report;
pub(crate) mod stories;
mod tiers;
mod unit;

use self::{
    counts::Counts,
    report::StoryReport,
    tiers::{Summary, Tier},
};
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
    setup::registry_clients()?;
    say!("==> building everything");
    let mut cargo = workspace::cargo();
    // With all targets at once every later command finds its dependencies built with the same
    // features.
    let binaries = Binaries::build(cargo.args(["build", "--workspace", "--all-targets"]))?;
    let image = guest_image::build(&binaries, &ImageOptions::default())?;

    let directory = TemporaryDirectory::new("t")?;
    // Of its own: what lies in the other one at the end was left there.
    let reach = TemporaryDirectory::new("b")?;
    let tools = tools.within_reach(reach.path())?;
    let binaries = binaries.within_reach(reach.path())?;
    let leftovers = Leftovers::before(directory.path());
    let unit::Told { own, null, missing } =
        unit::run(options, &binaries, &image, &tools, directory.path())?;
    let report = stories::run(options, &binaries, &image, &tools, directory.path())?;
    let mut summary = Summary::default();
    summary.add(Tier::Own, own, None);
    summary.add(Tier::Null, null, missing.as_deref());
    for tier in [Tier::Stories, Tier::Nested] {
        summary.add(tier, report.counts(tier), report.missing(tier));
    }

    show!("\nstories, in seconds:\n{report}");
    show!("\ntiers:\n{summary}");
    say_what_was_left_out(options);
    let mut counts = summary.together();
    for leftover in leftovers.after() {
        show!("left behind: {leftover}");
        counts.failed += 1;
    }
    drop((directory, reach));
    interrupt::check()?;
    show!("{counts}");
    Ok(counts.is_success())
}

fn say_what_was_left_out(options: &TestOptions) {
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
