//! kilnd dies at every step of a build, and so do supervisors of VMs, and both: what becomes of the
//! build is what the record says, an image has a name when all of it is there, and nothing is left.

mod round;

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::{Stage, Story, World, fault::Victims, stories};
use kiln_vmm_manager::fault::Point;

use self::round::{Moment, Round};
use super::scene::{based, setup};

pub(crate) fn stories() -> Vec<Story> {
    let three_hours = Duration::from_secs(10_800);
    stories![
        a_build_goes_on_under_another_kilnd.limit(three_hours),
        a_build_whose_vm_is_killed_failed_honestly.limit(three_hours),
        a_build_that_loses_both_failed_honestly.limit(three_hours).only_full()
    ]
}

/// What its steps write is counted; what is built has in it what no request has.
const DOCKERFILE: &str = "FROM BASE\n\
    RUN wget -q -O /page http://one.test/page\n\
    RUN for i in $(seq 200); do echo line $i; done; sleep 5; for i in $(seq 201 400); do echo line $i; done\n\
    ARG NAME\n\
    RUN echo $((40 + 2))-$NAME >/built\n";

/// Rounds that went wrong, after which no other is begun.
const ENOUGH: usize = 6;

async fn a_build_goes_on_under_another_kilnd(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, Victims::Daemon, &[Moment::InAStep, Moment::At(Point::Named, 1)]).await
}

async fn a_build_whose_vm_is_killed_failed_honestly(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, Victims::Supervisors, &[Moment::InAStep, Moment::At(Point::Named, 1)]).await
}

async fn a_build_that_loses_both_failed_honestly(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, Victims::Both, &[]).await
}

async fn everywhere(stage: &Stage, victims: Victims, short: &[Moment]) -> anyhow::Result<()> {
    let mut world = World::around(stage).await?;
    let mut upstream = world.upstream(stage).await?;
    upstream.publish_base("team/base:1")?;
    let context = stage.directory().join("context");
    std::fs::create_dir(&context)?;
    std::fs::write(context.join("Dockerfile"), based(DOCKERFILE))?;
    let all = all();
    let moments = if stage.settings().full { &all[..] } else { short };
    let mut wrong = Vec::new();
    for moment in moments {
        let round = Round { stage, upstream: &upstream, victims, moment: *moment };
        if let Err(error) = round.run().await {
            wrong.push(format!("{}: {error:?}", round.name()));
        }
        ensure!(wrong.len() < ENOUGH, "{}", wrong.join("\n\n"));
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), moments.len(), wrong.join("\n\n"));
    upstream.stop().await?;
    setup(stage, &upstream).start().await?.stop().await
}

/// Each point; where there are several of what is done between two, also the second.
fn all() -> Vec<Moment> {
    let second = [Point::Served, Point::Logged, Point::Packed, Point::Ingested, Point::Named];
    let met = Point::ALL.iter().filter(|point| !point.is_of_root_filesystems());
    let firsts = met.map(|point| Moment::At(*point, 1));
    let seconds = second.map(|point| Moment::At(point, 2));
    firsts.chain(seconds).chain([Moment::InAStep]).collect()
}
