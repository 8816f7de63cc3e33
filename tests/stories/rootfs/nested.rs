//! The least that a root filesystem needs, with either VMM: no registry, no engine, one program.

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories};

use super::scene::{Scene, went_well};

pub(crate) fn stories() -> Vec<Story> {
    stories![an_image_becomes_a_machine.limit(Duration::from_secs(900)).nested()]
}

async fn an_image_becomes_a_machine(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let says = "echo \"process $$, user $(id -u), $(cat /etc/word)\"; exit 3";
    let picture = scene.picture().file("etc/word", "made by hand").command(&["sh", "-c", says]);
    went_well(&scene.rootfs("app", &picture, &["--optimize"]).await?)?;
    assert_eq!(scene.record().await?["boot"]["by"], "init");

    let booted = scene.kiln(&["boot"]).argument(scene.path("app.ext4")).run().await?;
    let console = booted.stdout_text();
    ensure!(console.contains("user 0, made by hand"), "{booted}");
    ensure!(!console.contains("process 1,"), "the command is process 1: {booted}");
    assert_eq!(booted.code, Some(3), "{booted}");
    scene.ends().await
}
