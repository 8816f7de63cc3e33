//! The check of what was made: what counts as up, and what is told of a machine that never is.

use std::time::Duration;

use anyhow::ensure;
use kiln_proto::v1::FailureClass;
use kiln_tests::{Stage, Story, details, stories};

use super::scene::{Scene, went_well};

pub(crate) fn stories() -> Vec<Story> {
    let half_an_hour = Duration::from_secs(1800);
    stories![
        what_is_up_is_up.limit(half_an_hour),
        what_never_is_shows_its_console.limit(half_an_hour),
        a_boot_ends_when_it_is_up.limit(half_an_hour).only_full(),
    ]
}

const LISTENS: &str = "echo listening; while :; do nc -l -p 8080 </dev/null >/dev/null; done";
const SLOWLY: &str = "sleep 3; touch /tmp/up; exec sleep 1000000";

/// The image's command, flags of the check, and by what it is up.
type Case = (&'static str, &'static [&'static str], &'static [&'static str], &'static str);

/// So many of the first are tried without `--full`.
const SHORT: usize = 2;
const TABLE: [Case; 4] = [
    // What ends at once was up all the same.
    ("at-once", &["/bin/busybox", "true"], &[], "init"),
    ("command", &["sh", "-c", SLOWLY], &["--probe-command", "test -e /tmp/up"], "command"),
    ("port", &["sh", "-c", LISTENS], &["--probe-port", "8080"], "port"),
    ("own", &["sh"], &["--init", "/bin/start"], "started"),
];

async fn what_is_up_is_up(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let cases = if stage.settings().full { &TABLE[..] } else { &TABLE[..SHORT] };
    for &(name, command, words, by) in cases {
        let start = "#!/bin/sh\nexec /bin/sleep 1000000\n";
        let picture = scene.picture().file("bin/start", start).command(command);
        let ended = scene.rootfs(name, &picture, words).await?;
        ensure!(ended.code == Some(0), "{name}: {ended}");
        let record = scene.record().await?;
        assert_eq!(record["boot"]["state"], "up", "{name}: {record}");
        assert_eq!(record["boot"]["by"], by, "{name}: {record}");
    }
    scene.ends().await
}

async fn what_never_is_shows_its_console(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let says = "echo it waits for nobody; exec sleep 1000000";
    let waits = scene.picture().command(&["sh", "-c", says]);
    let words = ["--probe-port", "8080", "--boot-timeout", "45s"];
    let ended = scene.rootfs("waits", &waits, &words).await?;
    is_told(&scene, &ended, "timeout", "it waits for nobody").await?;

    let says = "#!/bin/sh\necho process 1 has enough\nexit 4\n";
    let dies = scene.picture().file("bin/start", says);
    let words = ["--init", "/bin/start", "--probe-port", "8080", "--boot-timeout", "90s"];
    let ended = scene.rootfs("dies", &dies, &words).await?;
    is_told(&scene, &ended, "", "process 1 has enough").await?;
    for name in ["waits.ext4", "dies.ext4"] {
        ensure!(!scene.path(name).exists(), "{name} was given out");
    }
    scene.ends().await
}

async fn is_told(
    scene: &Scene,
    ended: &kiln_tests::Finished,
    why: &str,
    console: &str,
) -> anyhow::Result<()> {
    ensure!(ended.code == Some(1), "{ended}");
    ensure!(ended.stderr_text().contains(console), "the console is not shown: {ended}");
    let job = scene.host.newest_job().await?;
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::User, "{failure:?}");
    let told = details(&job);
    ensure!(told.get("reason").map(String::as_str) == Some("boot_check"), "{failure:?}");
    ensure!(why.is_empty() || told.get("why").map(String::as_str) == Some(why), "{failure:?}");
    let boot = job.boot.unwrap_or_default();
    ensure!(boot.state.is_empty() && boot.console_tail.contains(console), "{boot:?}");
    Ok(())
}

/// And one that never is up ends with its own failure.
async fn a_boot_ends_when_it_is_up(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let picture = scene.picture().command(&["sh", "-c", LISTENS]);
    went_well(&scene.rootfs("port", &picture, &["--no-boot-check"]).await?)?;
    let words = ["boot", "--until-up", "--probe-port", "8080"];
    let booted = scene.kiln(&words).argument(scene.path("port.ext4")).run().await?;
    went_well(&booted)?;
    ensure!(booted.stdout_text().contains("listening"), "{booted}");
    ensure!(booted.stderr_text().contains("by the port"), "{booted}");

    let words = ["boot", "--until-up", "--probe-port", "9", "--timeout", "40s"];
    let booted = scene.kiln(&words).argument(scene.path("port.ext4")).run().await?;
    assert_eq!(booted.code, Some(124), "{booted}");
    ensure!(booted.stderr_text().contains("it did not come up"), "{booted}");
    scene.ends().await
}
