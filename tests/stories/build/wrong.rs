//! What is wrong with a build is said in words, where it is, and under the class that it is of.

use std::time::{Duration, Instant};

use anyhow::ensure;
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Finished, Stage, Story, details, stories};
use rustix::process::Signal;

use super::scene::{POLICY, Scene};

pub(crate) fn stories() -> Vec<Story> {
    let half_an_hour = Duration::from_secs(1800);
    stories![
        what_is_wrong_is_told_where_it_is.limit(half_an_hour),
        what_is_never_sent_is_told_at_once.virtual_cpus(0),
        a_step_that_is_cancelled_ends_at_once.limit(half_an_hour)
    ]
}

/// A Dockerfile, what `kiln build` says of it, and what the record says.
struct Wrong {
    name: &'static str,
    dockerfile: &'static str,
    policy: &'static str,
    arguments: &'static [&'static str],
    code: i32,
    says: &'static [&'static str],
    class: FailureClass,
    details: &'static [(&'static str, &'static str)],
    /// Told always.
    is_short: bool,
}

const USUAL: Wrong = Wrong {
    name: "",
    dockerfile: "",
    policy: POLICY,
    arguments: &[],
    code: 1,
    says: &[],
    class: FailureClass::User,
    details: &[],
    is_short: false,
};

const TABLE: &[Wrong] = &[
    Wrong {
        name: "syntax",
        dockerfile: "FROM BASE\nRUN true\nCOPPY a b\n",
        says: &["Dockerfile:3", "unknown instruction: COPPY"],
        details: &[("line", "3")],
        is_short: true,
        ..USUAL
    },
    Wrong {
        name: "step",
        dockerfile: "FROM BASE\nRUN echo out; echo err >&2; exit 7\n",
        says: &["exit code: 7", "Dockerfile:2"],
        details: &[("line", "2")],
        ..USUAL
    },
    Wrong {
        name: "base-404",
        dockerfile: "FROM registry.test:5443/team/none:1\nRUN true\n",
        says: &["team/none"],
        class: FailureClass::Registry,
        details: &[("host", "registry.test:5443"), ("status", "404"), ("repository", "team/none")],
        is_short: true,
        ..USUAL
    },
    Wrong {
        name: "base-refused",
        dockerfile: "FROM registry.test:5443/team/base:1\nRUN true\n",
        policy: "allow=one.test:443",
        says: &["registry.test"],
        class: FailureClass::EgressDenied,
        details: &[("host", "registry.test:5443"), ("repository", "team/base"), ("line", "1")],
        ..USUAL
    },
    Wrong {
        name: "egress",
        dockerfile: "FROM BASE\nRUN wget -q -O /page http://two.test/page\n",
        says: &["two.test"],
        class: FailureClass::EgressDenied,
        details: &[("host", "two.test")],
        ..USUAL
    },
    Wrong {
        name: "missing-source",
        dockerfile: "FROM BASE\nCOPY missing.txt /\n",
        says: &["missing.txt", "not found"],
        details: &[("line", "2")],
        ..USUAL
    },
    Wrong {
        name: "memory",
        dockerfile: "FROM BASE\nRUN tail /dev/zero; exit 9\n",
        code: 137,
        class: FailureClass::Oom,
        ..USUAL
    },
    Wrong {
        name: "disk",
        dockerfile: "FROM BASE\nRUN dd if=/dev/zero of=/large bs=1M count=4000\n",
        arguments: &["--disk", "512M"],
        class: FailureClass::DiskFull,
        ..USUAL
    },
    Wrong {
        name: "stalled",
        dockerfile: "FROM BASE\nRUN echo before; sleep 100000\n",
        arguments: &["--timeout", "150s"],
        code: 124,
        says: &["before"],
        ..USUAL
    },
];

async fn what_is_wrong_is_told_where_it_is(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let mut wrong = Vec::new();
    for case in TABLE.iter().filter(|case| case.is_short || stage.settings().full) {
        let context = scene.context(case.name, &[("Dockerfile", case.dockerfile)])?;
        let name = format!("local/{}:1", case.name);
        let words = [case.arguments, &["-t", &name]].concat();
        let ended = scene.build_under(case.policy, &context, &words).run().await?;
        if let Err(error) = is_told(&scene, case, &ended).await {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let listed = scene.host.kiln(["image", "ls"]).run().await?;
    ensure!(!listed.stdout_text().contains("local/"), "an image has a name: {listed}");
    scene.ends().await
}

async fn is_told(scene: &Scene, case: &Wrong, ended: &Finished) -> anyhow::Result<()> {
    ensure!(ended.code == Some(case.code), "{ended}");
    let said = ended.stdout_text() + &ended.stderr_text();
    for words in case.says {
        ensure!(said.contains(words), "{words:?} is not said: {ended}");
    }
    let job = scene.host.newest_job().await?;
    if case.code == 124 {
        ensure!(job.state() == JobState::Timeout, "{job:?}");
        return Ok(());
    }
    ensure!(job.state() == JobState::Failed, "{job:?}");
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == case.class, "{failure:?}");
    let told = details(&job);
    for (name, value) in case.details {
        let found = told.get(*name).map(String::as_str);
        ensure!(found == Some(*value), "{name} is {found:?}, not {value}: {failure:?}");
    }
    Ok(())
}

/// No VM is booted for what can be seen here.
async fn what_is_never_sent_is_told_at_once(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let context = scene.context("context", &[("Dockerfile", "FROM BASE\n")])?;
    let empty = scene.context("empty", &[("other", "")])?;
    let secret = format!("id=a,src={}", scene.path("missing").display());
    let table: [(&std::path::Path, &[&str], &str); 7] = [
        (&empty, &[], "Dockerfile"),
        (&context, &["--secret", &secret], "missing"),
        (&context, &["--tag", "Foo Bar"], "Foo Bar"),
        (&context, &["--nope"], "--nope"),
        (&context, &["--progress", "loud"], "loud"),
        (&context, &["--output", "type=nope"], "nope"),
        (&context, &["--cache-to", "type=gha"], "gha"),
    ];
    for (context, words, says) in table {
        let ended = scene.build(context, words).run().await?;
        ensure!(ended.code == Some(125) || ended.code == Some(2), "{words:?}: {ended}");
        ensure!(ended.stderr_text().contains(says), "{words:?}: {ended}");
    }
    ensure!(scene.host.list_jobs().await?.is_empty(), "a job was made of it");
    scene.ends().await
}

async fn a_step_that_is_cancelled_ends_at_once(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let dockerfile = "FROM BASE\nRUN echo it runs; sleep 100000\n";
    let context = scene.context("context", &[("Dockerfile", dockerfile)])?;
    let building = scene.build(&context, &["-t", "local/cancelled:1"]).start()?;
    let job = kiln_tests::until("a step runs", Duration::from_secs(240), async || {
        let Ok(job) = scene.host.newest_job().await else { return Ok(None) };
        ensure!(job.failure.is_none(), "{:?}", job.failure);
        let log = scene.host.kiln(["job", "logs", &job.id]).run().await?;
        Ok((log.stdout_text() + &log.stderr_text()).contains("it runs\n").then_some(job))
    })
    .await?;
    let start = Instant::now();
    building.signal(Signal::INT)?;
    let ended = building.finish().await?;
    assert_eq!(ended.code, Some(130), "{ended}");
    ensure!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    let job = scene.host.job(&job.id).await?;
    assert_eq!(job.state(), JobState::Cancelled, "{job:?}");
    scene.ends().await
}
