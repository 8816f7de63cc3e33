//! kilnd dies at every step of a build, and so do supervisors of VMs: what becomes of the build is
//! what the record says, an image has a name when all of it is there, and nothing is left.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{HostSetup, Stage, Story, World, stories, world::Upstream};
use kiln_vmm_manager::fault::Point;

use super::scene::{POLICY, based, setup};

pub(crate) fn stories() -> Vec<Story> {
    let three_hours = Duration::from_secs(10_800);
    stories![
        a_build_goes_on_under_another_kilnd.limit(three_hours),
        a_build_whose_vm_is_killed_failed_honestly.limit(three_hours).only_full()
    ]
}

/// What a build's steps write is counted.
const DOCKERFILE: &str = "FROM BASE\n\
    RUN for i in $(seq 200); do echo line $i; done; sleep 5; for i in $(seq 201 400); do echo line $i; done\n\
    RUN echo built >/built\n";
const SHORT: &[Point] = &[Point::Logged, Point::Published];
const SHORT_OF_VMS: &[Point] = &[Point::Started];
const POINT_LIMIT: Duration = Duration::from_secs(300);

async fn a_build_goes_on_under_another_kilnd(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, "daemon", SHORT).await
}

async fn a_build_whose_vm_is_killed_failed_honestly(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, "supervisors", SHORT_OF_VMS).await
}

async fn everywhere(stage: &Stage, victims: &str, short: &[Point]) -> anyhow::Result<()> {
    let mut world = World::around(stage).await?;
    let mut upstream = world.upstream(stage).await?;
    upstream.publish_base("team/base:1")?;
    let context = stage.directory().join("context");
    std::fs::create_dir(&context)?;
    std::fs::write(context.join("Dockerfile"), based(DOCKERFILE))?;
    // A build that asks for no name meets it nowhere.
    let all = Point::ALL.iter().filter(|point| **point != Point::Admitted);
    let all: Vec<_> = all.copied().collect();
    let points = if stage.settings().full { &all[..] } else { short };
    for point in points {
        let round = Round { stage, upstream: &upstream, victims, point: *point };
        round.run().await.with_context(|| format!("{victims} at {}", point.name()))?;
    }
    upstream.stop().await?;
    setup(stage, &upstream).start().await?.stop().await
}

struct Round<'a> {
    stage: &'a Stage,
    upstream: &'a Upstream,
    victims: &'a str,
    point: Point,
}

impl Round<'_> {
    fn setup(&self) -> HostSetup<'_> {
        setup(self.stage, self.upstream).faulty()
    }

    async fn run(&self) -> anyhow::Result<()> {
        let name = format!("local/{}-{}:1", self.victims, self.point.name());
        let doomed = self.setup().dies_at(self.point.name(), 1).victims(self.victims);
        let mut host = doomed.start().await?;
        let words = ["build", "--memory", "1536M", "--progress", "plain", "--egress", POLICY];
        let context = self.stage.directory().join("context");
        let kiln = host.kiln(words).arguments(["-t", &name]).argument(&context);
        let building = kiln.limit(Duration::from_secs(600)).start()?;
        if self.victims == "daemon" {
            let status = host.ended(POINT_LIMIT).await.context("it never met the point")?;
            ensure!(status.code().is_none(), "kilnd ended with {status} where it was to be killed");
            host = self.setup().start().await?;
        } else {
            host.fault_was_met(POINT_LIMIT).await.context("it never met the point")?;
        }
        let ended = building.finish().await?;
        let job = host.newest_job().await?;
        let listed = host.kiln(["image", "ls"]).run().await?.stdout_text();
        let has_name = listed.contains(name.trim_end_matches(":1"));
        match job.state() {
            JobState::Completed => {
                ensure!(ended.code == Some(0), "{ended}");
                ensure!(has_name, "its image has no name: {listed}");
                let log = host.kiln(["job", "logs", &job.id]).run().await?;
                let log = log.stdout_text() + &log.stderr_text();
                for line in 1..=400 {
                    let count = log.matches(&format!("line {line}\n")).count();
                    ensure!(count == 1, "line {line} stands {count} times in its log:\n{log}");
                }
            }
            JobState::Failed if self.victims != "daemon" => {
                let failure = job.failure.clone().unwrap_or_default();
                ensure!(failure.class() == FailureClass::Infrastructure, "{failure:?}");
                ensure!(ended.code == Some(125), "{ended}");
                ensure!(!has_name, "what failed has a name: {listed}");
            }
            state => anyhow::bail!("it ended as {state:?}: {ended}"),
        }
        host.vms_are_gone().await?;
        host.kill().await
    }
}
