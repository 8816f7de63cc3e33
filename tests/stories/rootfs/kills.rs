//! kilnd dies at every step of a job that makes a root filesystem, and so do the supervisors of its two
//! machines, and both: it is made whole, and the same byte for byte, or nothing of it is left.

use std::{fs, io, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{FailureClass, Job, JobState};
use kiln_tests::{Finished, Host, HostSetup, Stage, Story, digest, fault::Victims, stories};
use kiln_vmm_manager::fault::Point;

use super::scene::{Scene, went_well};

pub(crate) fn stories() -> Vec<Story> {
    let two_hours = Duration::from_secs(7200);
    stories![
        a_root_filesystem_goes_on_under_another_kilnd.limit(two_hours),
        one_whose_machines_are_killed_fails_honestly.limit(two_hours).only_full(),
        one_that_loses_both_fails_honestly.limit(two_hours).only_full(),
    ]
}

/// On the host, which fetches it from there.
const IMAGE: &str = "local/app:1";
const POINT_LIMIT: Duration = Duration::from_secs(300);
const JOB_LIMIT: Duration = Duration::from_secs(600);
/// Rounds that went wrong, after which no other is begun.
const ENOUGH: usize = 6;

/// A point, and how often it is met.
type Moment = (Point, usize);

/// Told without `--full`.
const SHORT: [Moment; 1] = [(Point::Checked, 1)];
/// Of the machine that checks.
const SECONDS: [Point; 7] = [
    Point::Numbered,
    Point::Directory,
    Point::Cgroup,
    Point::Disks,
    Point::Logged,
    Point::VmGone,
    Point::DirectoryGone,
];

async fn a_root_filesystem_goes_on_under_another_kilnd(stage: &Stage) -> anyhow::Result<()> {
    if stage.settings().full {
        everywhere(stage, Victims::Daemon, &all()).await
    } else {
        everywhere(stage, Victims::Daemon, &SHORT).await
    }
}

async fn one_whose_machines_are_killed_fails_honestly(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, Victims::Supervisors, &all()).await
}

async fn one_that_loses_both_fails_honestly(stage: &Stage) -> anyhow::Result<()> {
    everywhere(stage, Victims::Both, &all()).await
}

/// Neither of its machines has a network.
fn all() -> Vec<Moment> {
    let is_met = |point: &&Point| {
        !point.is_of_builds() && !matches!(point, Point::Network | Point::Admitted | Point::Served)
    };
    let firsts = Point::ALL.iter().filter(is_met).map(|point| (*point, 1));
    firsts.chain(SECONDS.map(|point| (point, 2))).collect()
}

async fn everywhere(stage: &Stage, victims: Victims, moments: &[Moment]) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let (archive, file) = (scene.path("app.tar"), scene.path("first.ext4"));
    let says = "for i in $(seq 50); do echo line $i; done; exec sleep 1000000";
    scene.picture().command(&["sh", "-c", says]).write(&archive)?;
    let imported = scene.kiln(&["image", "import"]).argument(&archive).argument(IMAGE);
    went_well(&imported.run().await?)?;
    went_well(&scene.kiln(&["rootfs", IMAGE, "-o"]).argument(&file).run().await?)?;
    scene.ends().await?;

    let expected = digest(&fs::read(file)?);
    let mut wrong = Vec::new();
    for &moment in moments {
        let round = Round { stage, victims, moment, expected: &expected };
        if let Err(error) = round.run().await {
            wrong.push(format!("{}: {error:?}", round.name()));
        }
        ensure!(wrong.len() < ENOUGH, "{}", wrong.join("\n\n"));
    }
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), moments.len(), wrong.join("\n\n"));
    // One that finds what the last one left.
    stage.host().start().await?.stop().await
}

struct Round<'a> {
    stage: &'a Stage,
    victims: Victims,
    moment: Moment,
    /// The digest of what is made of the image when nobody dies.
    expected: &'a str,
}

impl Round<'_> {
    fn name(&self) -> String {
        let (point, count) = self.moment;
        format!("{}-{}-{count}", self.victims.name(), point.name())
    }

    async fn run(&self) -> anyhow::Result<()> {
        let (point, count) = self.moment;
        let doomed = self.setup().dies_at(point.name(), count).victims(self.victims);
        let mut host = doomed.start().await?;
        let file = self.file();
        let making = host
            .kiln(["rootfs", IMAGE, "-o"])
            .argument(&file)
            .own_variable("HOME", self.stage.directory())
            .without_variable("DOCKER_CONFIG")
            .limit(JOB_LIMIT)
            .start()?;
        if self.victims == Victims::Supervisors {
            host.fault_was_met(POINT_LIMIT).await.context("it never met the point")?;
        } else {
            let status = host.ended(POINT_LIMIT).await.context("it never met the point")?;
            ensure!(status.code().is_none(), "kilnd ended with {status} where it was to be killed");
            host = self.setup().start().await?;
        }
        let ended = making.finish().await?;
        let job = host.newest_job().await?;
        match job.state() {
            JobState::Completed => self.is_whole(&host, &job, &ended)?,
            JobState::Failed if self.victims != Victims::Daemon => {
                self.is_nothing(&host, &job, &ended)?;
            }
            state => anyhow::bail!("it ended as {state:?}, {:?}: {ended}", job.failure),
        }
        host.vms_are_gone().await?;
        host.kill().await
    }

    fn setup(&self) -> HostSetup<'_> {
        self.stage.host().faulty()
    }

    fn file(&self) -> PathBuf {
        self.stage.directory().join(format!("{}.ext4", self.name()))
    }

    fn is_whole(&self, host: &Host, job: &Job, ended: &Finished) -> anyhow::Result<()> {
        ensure!(ended.code == Some(0), "{ended}");
        let boot = job.boot.clone().unwrap_or_default();
        ensure!(boot.state == "up" && boot.by == "init", "{boot:?}");
        ensure!(digest(&fs::read(self.file())?) == self.expected, "other bytes were made");
        fs::remove_file(self.file())?;
        let mut kept: Vec<_> = job.outputs.iter().map(|output| output.name.clone()).collect();
        kept.sort_unstable();
        let there = outputs(host, job)?;
        ensure!(there == kept && kept.len() == 2, "there are {there:?}, promised are {kept:?}");
        Ok(())
    }

    fn is_nothing(&self, host: &Host, job: &Job, ended: &Finished) -> anyhow::Result<()> {
        let failure = job.failure.clone().unwrap_or_default();
        ensure!(failure.class() == FailureClass::Infrastructure, "{failure:?}");
        ensure!(ended.code == Some(125), "{ended}");
        ensure!(!self.file().exists(), "the client has a file of it");
        let there = outputs(host, job)?;
        ensure!(there.is_empty() && job.outputs.is_empty(), "there are {there:?}");
        Ok(())
    }
}

/// What lies on the host of a job's outputs.
fn outputs(host: &Host, job: &Job) -> anyhow::Result<Vec<String>> {
    let directory = host.home().join("jobs").join(&job.id).join("outputs");
    let mut names = match fs::read_dir(&directory) {
        Ok(entries) => entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    names.sort_unstable();
    Ok(names)
}
