//! A build under a kilnd that dies at one moment, or whose VM's supervisor does.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{FailureClass, Job, JobState};
use kiln_tests::{
    Finished, Host, HostSetup, Kiln, Stage,
    fault::Victims,
    until,
    world::{Upstream, upstream::NAME},
};
use kiln_vmm_manager::fault::Point;
use rustix::process::{Pid, Signal, kill_process};

use crate::build::scene::setup;

const POLICY: &str = "allow=registry.test:5443,one.test:80";
const MOMENT_LIMIT: Duration = Duration::from_secs(300);
const BUILD_LIMIT: Duration = Duration::from_secs(600);

#[derive(Clone, Copy, Debug)]
pub(super) enum Moment {
    /// How often the point is met.
    At(Point, usize),
    /// A step has written half of what it writes.
    InAStep,
}

pub(super) struct Round<'a> {
    pub(super) stage: &'a Stage,
    pub(super) upstream: &'a Upstream,
    pub(super) victims: Victims,
    pub(super) moment: Moment,
}

impl Round<'_> {
    /// Of the round, and of all that is made in it.
    pub(super) fn name(&self) -> String {
        let victims = self.victims.name();
        match self.moment {
            Moment::At(point, count) => format!("{victims}-{}-{count}", point.name()),
            Moment::InAStep => format!("{victims}-in-a-step"),
        }
    }

    pub(super) async fn run(&self) -> anyhow::Result<()> {
        let mut host = match self.moment {
            Moment::At(point, count) => self.setup().dies_at(point.name(), count),
            Moment::InAStep => self.setup(),
        }
        .victims(self.victims)
        .start()
        .await?;
        // Of the round before.
        let earlier = host.newest_job().await.ok().map(|job| job.id);
        let building = self.kiln(&host).start()?;
        if matches!(self.moment, Moment::InAStep) {
            self.strike(&host, earlier.as_deref()).await?;
        }
        if self.victims == Victims::Supervisors {
            if matches!(self.moment, Moment::At(..)) {
                host.fault_was_met(MOMENT_LIMIT).await.context("it never met the point")?;
            }
        } else {
            let status = host.ended(MOMENT_LIMIT).await.context("it never met the point")?;
            ensure!(status.code().is_none(), "kilnd ended with {status} where it was to be killed");
            host = self.setup().start().await?;
        }
        let ended = building.finish().await?;
        let job = host.newest_job().await?;
        match job.state() {
            JobState::Completed => self.is_whole(&host, &job, &ended).await?,
            JobState::Failed if self.victims != Victims::Daemon => {
                self.is_nothing(&host, &job, &ended).await?;
            }
            state => anyhow::bail!("it ended as {state:?}: {ended}"),
        }
        host.vms_are_gone().await?;
        host.kill().await
    }

    fn setup(&self) -> HostSetup<'_> {
        setup(self.stage, self.upstream).faulty()
    }

    fn kiln(&self, host: &Host) -> Kiln {
        let name = self.name();
        let image = format!(
            "type=image,push=true,compression=uncompressed,\"name=local/{name}:1,{NAME}/team/{name}:1\""
        );
        let files = format!("type=tar,dest={}", self.files().display());
        let cache = format!("type=registry,ref=local/{name}-cache:1");
        let argument = format!("NAME={name}");
        host.kiln(["build", "--memory", "1536M", "--progress", "plain", "--egress", POLICY])
            .arguments(["--build-arg", &argument, "--cache-to", &cache])
            .arguments(["--output", &image, "--output", &files])
            .argument(self.stage.directory().join("context"))
            .own_variable("HOME", self.stage.directory())
            .without_variable("DOCKER_CONFIG")
            .limit(BUILD_LIMIT)
    }

    fn files(&self) -> PathBuf {
        self.stage.directory().join(format!("{}.tar", self.name()))
    }

    /// In the middle of what a step does, where no point is.
    async fn strike(&self, host: &Host, earlier: Option<&str>) -> anyhow::Result<()> {
        until("a step runs", MOMENT_LIMIT, async || {
            let Ok(job) = host.newest_job().await else { return Ok(None) };
            if Some(&*job.id) == earlier {
                return Ok(None);
            }
            ensure!(job.failure.is_none(), "{:?}", job.failure);
            Ok(log(host, &job).await?.contains("line 200\n").then_some(()))
        })
        .await?;
        if self.victims != Victims::Daemon {
            for id in host.supervisors()? {
                let id = i32::try_from(id).ok().and_then(Pid::from_raw);
                kill_process(id.context("a supervisor")?, Signal::KILL)?;
            }
        }
        if self.victims != Victims::Supervisors {
            host.signal(Signal::KILL)?;
        }
        Ok(())
    }

    /// Everything of it is where it belongs, and every line is told once.
    async fn is_whole(&self, host: &Host, job: &Job, ended: &Finished) -> anyhow::Result<()> {
        let name = self.name();
        ensure!(ended.code == Some(0), "{ended}");
        let exported = self.exported(host).await?;
        self.has_mark(&self.files())?;
        for archive in [exported, self.files()] {
            fs::remove_file(archive)?;
        }
        let listed = host.kiln(["image", "ls"]).run().await?.stdout_text();
        ensure!(listed.contains(&format!("local/{name}-cache")), "its cache has no name: {listed}");
        let pulled = self.stage.directory().join("pulled");
        self.upstream.pulled(&format!("team/{name}:1"), &pulled)?;
        let log = log(host, job).await?;
        for line in 1..=400 {
            let count = log.matches(&format!("line {line}\n")).count();
            ensure!(count == 1, "line {line} stands {count} times in its log:\n{log}");
        }
        Ok(())
    }

    /// Nothing of it is anywhere, once what has no name is taken away.
    async fn is_nothing(&self, host: &Host, job: &Job, ended: &Finished) -> anyhow::Result<()> {
        let failure = job.failure.clone().unwrap_or_default();
        ensure!(failure.class() == FailureClass::Infrastructure, "{failure:?}");
        ensure!(ended.code == Some(125), "{ended}");
        ensure!(!self.files().exists(), "the client has files of it");
        if self.is_named() {
            return self.name_is_whole(host).await;
        }
        let listed = host.kiln(["image", "ls"]).run().await?.stdout_text();
        ensure!(!listed.contains(&self.name()), "what failed has a name: {listed}");
        let pruned = host.kiln(["image", "prune"]).run().await?;
        ensure!(pruned.code == Some(0), "{pruned}");
        let mut grep = Command::new("grep");
        grep.args(["-r", "-l", "-F", "-e", &self.mark()]).arg(host.home().join("registry"));
        let found = String::from_utf8(grep.output()?.stdout)?;
        ensure!(found.is_empty(), "what failed is kept: {found}");
        let pulled = self.stage.directory().join("pulled");
        let outside = self.upstream.pulled(&format!("team/{}:1", self.name()), &pulled);
        ensure!(outside.is_err(), "what failed is outside");
        Ok(())
    }

    /// Whether names may have been given by then: the last that is done, one after another.
    fn is_named(&self) -> bool {
        matches!(self.moment, Moment::At(point, _) if point as usize >= Point::Pushed as usize)
    }

    /// It may have its name though its job has failed, and is all there then.
    async fn name_is_whole(&self, host: &Host) -> anyhow::Result<()> {
        let name = format!("local/{}:1", self.name());
        let listed = host.kiln(["image", "ls"]).run().await?.stdout_text();
        if listed
            .lines()
            .any(|line| line.starts_with(name.trim_end_matches(":1")) && !line.contains("-cache"))
        {
            let exported = self.exported(host).await?;
            fs::remove_file(exported)?;
        }
        Ok(())
    }

    /// The image by its name, as a tar that has in it what was built.
    async fn exported(&self, host: &Host) -> anyhow::Result<PathBuf> {
        let exported = self.stage.directory().join("exported");
        let export = ["image", "export", "--output", &exported.display().to_string()];
        let export = host.kiln(export).argument(format!("local/{}:1", self.name())).run().await?;
        ensure!(export.code == Some(0), "{export}");
        self.has_mark(&exported)?;
        Ok(exported)
    }

    fn has_mark(&self, archive: &Path) -> anyhow::Result<()> {
        let (bytes, mark) = (fs::read(archive)?, self.mark());
        let found = bytes.windows(mark.len()).any(|window| window == mark.as_bytes());
        ensure!(found, "{mark} is not in {}", archive.display());
        Ok(())
    }

    fn mark(&self) -> String {
        format!("42-{}", self.name())
    }
}

async fn log(host: &Host, job: &Job) -> anyhow::Result<String> {
    let log = host.kiln(["job", "logs", &job.id]).run().await?;
    Ok(log.stdout_text() + &log.stderr_text())
}
