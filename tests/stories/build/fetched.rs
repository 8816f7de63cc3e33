//! What ADD brings from outside, by https and by git: as far as the egress policy goes, and a refusal
//! is told with the host that it is about.

use std::time::Duration;

use anyhow::ensure;
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{
    Finished, Stage, Story, details, stories,
    world::{SHARED, git, upstream},
};

use super::scene::{Scene, went_well};

pub(crate) fn stories() -> Vec<Story> {
    stories![what_add_brings_is_what_the_policy_lets_in.limit(Duration::from_secs(900))]
}

const OPEN: &str = "allow=registry.test:5443,one.test:80,one.test:443,git.test:9418/tcp";
const CLOSED: &str = "allow=registry.test:5443";
const GIT: &str = "FROM BASE\nADD git://git.test/repository.git#v1:sub /sub\n";
const HTTPS: &str = "FROM BASE\nADD https://one.test/who /who\n";
/// One layer of each.
const BOTH: &str = "FROM BASE\nADD git://git.test/repository.git#v1:sub /sub\n\
                    ADD http://one.test/page /page\nRUN cat /sub/file /page\n";

/// What is refused, and the host of it.
const REFUSED: [(&str, &str, &str, bool); 2] =
    [("https", HTTPS, "one.test", true), ("git", GIT, "git.test", false)];

async fn what_add_brings_is_what_the_policy_lets_in(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    let git = scene.world.git(stage).await?;
    for (name, dockerfile, host, is_short) in REFUSED {
        if !is_short && !stage.settings().full {
            continue;
        }
        let context = scene.context(name, &[("Dockerfile", dockerfile)])?;
        let ended = scene.build_under(CLOSED, &context, &["-t", "local/refused:1"]).run().await?;
        is_refused(&scene, &ended, host).await?;
        ensure!(scene.world.served().to(host) == 0, "{host} was reached");
    }
    let context = scene.context("both", &[("Dockerfile", BOTH)])?;
    let ended = scene.build_under(OPEN, &context, &["-t", "local/both:1"]).run().await?;
    went_well(&ended)?;
    let said = ended.stdout_text() + &ended.stderr_text();
    ensure!(said.contains("one\n") && said.contains("this is one.test"), "{ended}");
    if stage.settings().full {
        is_not_believed(&scene).await?;
    }
    git.stop().await?;
    let listed = scene.host.kiln(["image", "ls"]).run().await?.stdout_text();
    ensure!(!listed.contains("local/refused"), "an image has a name: {listed}");
    scene.host.vms_are_gone().await?;
    let expected = [
        (git::ADDRESS.into(), git::PORT),
        (SHARED.into(), 80),
        (SHARED.into(), 443),
        (upstream::ADDRESS.into(), upstream::PORT),
    ];
    let strays = scene.world.strays(&expected);
    ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
    scene.upstream.stop().await?;
    scene.host.stop().await
}

async fn is_refused(scene: &Scene, ended: &Finished, host: &str) -> anyhow::Result<()> {
    let job = scene.host.job(&scene.host.newest_job().await?.id).await?;
    ensure!(ended.code == Some(1) && job.state() == JobState::Failed, "{job:?}: {ended}");
    let record = job.egress.clone().unwrap_or_default();
    ensure!(record.refusals.iter().any(|refusal| refusal.name == host), "{record:?}");
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::EgressDenied, "{failure:?}");
    let told = details(&job);
    ensure!(told.get("host").map(String::as_str) == Some(host), "{failure:?}");
    ensure!(ended.stderr_text().contains(host), "{ended}");
    Ok(())
}

/// Its server is let in and reached, and is one that signed for itself: that is the build's own to
/// know, and no refusal of ours.
async fn is_not_believed(scene: &Scene) -> anyhow::Result<()> {
    let context = scene.context("signed", &[("Dockerfile", HTTPS)])?;
    let before = scene.world.served().to("one.test");
    let ended = scene.build_under(OPEN, &context, &["-t", "local/refused:1"]).run().await?;
    let job = scene.host.job(&scene.host.newest_job().await?.id).await?;
    ensure!(ended.code == Some(1) && job.state() == JobState::Failed, "{job:?}: {ended}");
    ensure!(scene.world.served().to("one.test") > before, "it was not reached: {ended}");
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::User, "{failure:?}");
    let said = ended.stdout_text() + &ended.stderr_text();
    ensure!(said.contains("certificate"), "{ended}");
    Ok(())
}
