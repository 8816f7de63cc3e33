//! kilnd dies at every step of a job, its VMs' supervisors die, and both together.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_proto::v1::Job;
use kiln_tests::{Client, Dice, HostSetup, Stage, Story, Work, fault::Victims, stories};
use kiln_vmm_manager::fault::Point;
use tokio::task::JoinSet;

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    let an_hour = Duration::from_secs(3600);
    stories![
        a_daemon_that_dies_anywhere_loses_nothing.limit(an_hour),
        supervisors_that_die_anywhere_fail_their_jobs_honestly.limit(an_hour),
        both_die_anywhere.limit(an_hour),
        a_daemon_dies_under_real_guests.limit(an_hour),
    ]
}

/// How long until the daemon has met its point, with all the jobs that are there.
const POINT_LIMIT: Duration = Duration::from_secs(60);
const JOBS: usize = 3;

async fn a_daemon_that_dies_anywhere_loses_nothing(stage: &Stage) -> anyhow::Result<()> {
    let passes = if stage.settings().full { 13 } else { 1 };
    everywhere(stage, Victims::Daemon, passes).await
}

async fn supervisors_that_die_anywhere_fail_their_jobs_honestly(
    stage: &Stage,
) -> anyhow::Result<()> {
    let passes = if stage.settings().full { 4 } else { 1 };
    everywhere(stage, Victims::Supervisors, passes).await
}

async fn both_die_anywhere(stage: &Stage) -> anyhow::Result<()> {
    let passes = if stage.settings().full { 4 } else { 1 };
    everywhere(stage, Victims::Both, passes).await
}

/// One kill for each point, `passes` times over.
async fn everywhere(stage: &Stage, victims: Victims, passes: usize) -> anyhow::Result<()> {
    let mut dice = Dice::new(victims as u64 + 1);
    for pass in 0..passes {
        for point in Point::ALL.iter().filter(|point| !is_of_asking(**point)) {
            let name = format!("{}-{pass}-{}", victims.name(), point.name());
            // Jobs meet the later points as often as there are jobs; some points only one of them.
            let count = if is_met_once(*point) { 1 } else { 1 + dice.below(JOBS) };
            Round { stage, name: &name, point: *point, count, victims, stub: true }
                .run()
                .await
                .with_context(|| format!("{name}, the {count}. time"))?;
        }
    }
    stage.stub_host().with_networks().start().await?.stop().await
}

/// Only the job with disks goes there; and what depends on how the output comes is met once for
/// sure.
fn is_met_once(point: Point) -> bool {
    matches!(point, Point::Unpacked | Point::Packed | Point::Ingested)
}

/// Only a guest that asks for a name, or for an image, meets it, which a stub never does; or only a
/// build, or a root filesystem.
fn is_of_asking(point: Point) -> bool {
    matches!(point, Point::Admitted | Point::Served)
        || point.is_of_builds()
        || point.is_of_root_filesystems()
}

async fn a_daemon_dies_under_real_guests(stage: &Stage) -> anyhow::Result<()> {
    let points: &[Point] =
        if stage.settings().full { &Point::ALL[..=Point::Sealed as usize] } else { SHORT };
    for point in points.iter().filter(|point| !is_of_asking(**point)) {
        let name = format!("real-{}", point.name());
        let round = Round {
            stage,
            name: &name,
            point: *point,
            count: 1,
            victims: Victims::Daemon,
            stub: false,
        };
        round.run().await.with_context(|| name.clone())?;
    }
    stage.host().start().await?.stop().await
}

const SHORT: &[Point] = &[Point::Booted, Point::Logged];

struct Round<'a> {
    stage: &'a Stage,
    name: &'a str,
    point: Point,
    count: usize,
    victims: Victims,
    stub: bool,
}

impl Round<'_> {
    /// The daemon is started, meets its point, dies or loses its supervisors, and is started again;
    /// the clients know nothing of it.
    async fn run(&self) -> anyhow::Result<()> {
        let doomed = self.setup().dies_at(self.point.name(), self.count);
        let mut host = doomed.victims(self.victims).doomed()?;
        let mut jobs = JoinSet::new();
        for work in self.works() {
            jobs.spawn(run_to_its_end(work, host.client()));
        }
        if self.victims == Victims::Supervisors {
            host.fault_was_met(POINT_LIMIT).await.context("it never met the point")?;
        } else {
            let status = host.ended(POINT_LIMIT).await.context("it never met the point")?;
            ensure!(status.code().is_none(), "kilnd ended with {status} where it was to be killed");
            host = self.setup().start().await?;
        }
        let client = host.client();
        while let Some(ended) = jobs.join_next().await {
            let (work, job) = ended??;
            work.is_true(&client, &job, self.victims != Victims::Daemon).await?;
        }
        all_is_released(&host).await?;
        // One more kill: of a daemon that has nothing to do.
        host.kill().await
    }

    fn setup(&self) -> HostSetup<'_> {
        if self.stub { self.stage.stub_host().with_networks() } else { self.stage.host().faulty() }
    }

    fn works(&self) -> Vec<Work> {
        let works = (0..if self.stub { JOBS } else { 1 }).map(|number| {
            let work = Work::new(self.stage.directory(), &format!("{}-{number}", self.name));
            let work = work.meanwhile("sleep 0.05");
            let work = if self.stub { work } else { work.in_a_guest() };
            if number == 0 { work.with_input().with_output() } else { work }
        });
        works.collect()
    }
}

async fn run_to_its_end(work: Work, client: Client) -> anyhow::Result<(Work, Job)> {
    let spec = work.spec(&client).await??;
    let acknowledged = client.submit(&spec, &work.key).await??;
    let job = client.ended(&acknowledged.id).await?;
    let again = client.submit(&spec, &work.key).await??;
    ensure!(again.id == acknowledged.id, "its key stands for {} as well", again.id);
    Ok((work, job))
}
