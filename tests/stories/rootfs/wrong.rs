//! What is wrong with an image is said in words, under the class that it is of, and nothing is left.

use std::time::Duration;

use anyhow::ensure;
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Finished, Stage, Story, details, stories};

use super::{
    picture::Picture,
    scene::{Scene, went_well},
};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        what_is_wrong_with_an_image_is_told.limit(Duration::from_secs(1800)),
        commands_need_a_shell.limit(Duration::from_secs(1200)).only_full(),
        what_is_never_sent_is_told_at_once,
    ]
}

/// An image, and what is said of it.
struct Wrong {
    name: &'static str,
    picture: fn(Picture) -> Picture,
    arguments: &'static [&'static str],
    says: &'static [&'static str],
}

/// So many of the first are tried without `--full`.
const SHORT: usize = 3;

const TABLE: &[Wrong] = &[
    Wrong {
        name: "platform",
        picture: |picture| picture.architecture("s390x"),
        arguments: &[],
        says: &["no image for linux/", "there is linux/s390x"],
    },
    Wrong {
        name: "layer",
        picture: Picture::without_its_layer,
        arguments: &[],
        says: &["is missing in the image"],
    },
    Wrong {
        name: "limit",
        picture: |picture| picture.file("large", vec![7; 3 << 20]),
        arguments: &["--size-limit", "2M"],
        says: &["are the limit; the most is in"],
    },
    Wrong {
        name: "command",
        picture: |picture| picture.command(&["/bin/nobody"]),
        arguments: &[],
        says: &["it would not boot", "\"/bin/nobody\""],
    },
    Wrong {
        name: "systemd",
        picture: |picture| picture,
        arguments: &["--init", "systemd"],
        says: &["the image has no systemd"],
    },
];

async fn what_is_wrong_with_an_image_is_told(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let mut wrong = Vec::new();
    let most = if stage.settings().full { TABLE.len() } else { SHORT };
    for case in TABLE.iter().take(most) {
        let picture = (case.picture)(scene.picture());
        let ended = scene.rootfs(case.name, &picture, case.arguments).await?;
        if let Err(error) = is_told(&scene, case.name, case.says, &ended).await {
            wrong.push(format!("{}: {error:#}", case.name));
        }
    }
    // A tar it is, and no image.
    let (archive, file) = (scene.path("none.tar"), scene.path("none.ext4"));
    let mut tar = tar::Builder::new(std::fs::File::create(&archive)?);
    tar.append_path_with_name(scene.path("busybox"), "busybox")?;
    tar.finish()?;
    let ended = scene.kiln(&["rootfs", "-o"]).argument(&file).argument(&archive).run().await?;
    if let Err(error) = is_told(&scene, "none", &["not an image"], &ended).await {
        wrong.push(format!("none: {error:#}"));
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    scene.ends().await
}

async fn is_told(scene: &Scene, name: &str, says: &[&str], ended: &Finished) -> anyhow::Result<()> {
    ensure!(ended.code == Some(1), "{ended}");
    for words in says {
        ensure!(ended.stderr_text().contains(words), "{words:?} is not said: {ended}");
    }
    let job = scene.host.newest_job().await?;
    ensure!(job.state() == JobState::Failed, "{job:?}");
    let failure = job.failure.clone().unwrap_or_default();
    ensure!(failure.class() == FailureClass::User, "{failure:?}");
    let reason = details(&job).get("reason").cloned();
    ensure!(reason.as_deref() == Some("not_converted"), "{failure:?}");
    ensure!(job.outputs.is_empty() && job.rootfs.is_none(), "{job:?}");
    ensure!(!scene.path(&format!("{name}.ext4")).exists(), "a file was left");
    Ok(())
}

async fn commands_need_a_shell(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let archive = scene.path("bare.tar");
    scene.picture().without_a_shell().write(&archive)?;
    let imported = scene.kiln(&["image", "import"]).argument(&archive).argument("local/bare:1");
    went_well(&imported.run().await?)?;
    let file = scene.path("bare.ext4");
    let words = ["rootfs", "local/bare:1", "--memory", "1536M", "--run", "true", "-o"];
    let ended = scene.kiln(&words).argument(&file).run().await?;
    ensure!(ended.code == Some(1), "{ended}");
    ensure!(ended.stderr_text().contains("/bin/sh"), "{ended}");
    ensure!(!file.exists(), "a file was left");
    let jobs = scene.host.list_jobs().await?;
    ensure!(jobs.iter().all(|job| job.rootfs.is_none()), "something was made: {jobs:?}");
    scene.ends().await
}

/// No VM is booted for what can be seen before.
async fn what_is_never_sent_is_told_at_once(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let before = scene.host.list_jobs().await?.len();
    let file = scene.path("app.ext4").display().to_string();
    let missing = scene.path("missing.tar").display().to_string();
    let table: [(&[&str], &str); 6] = [
        (&["rootfs", &missing, "-o", &file], "there is no"),
        (&["rootfs", "local/app"], "--output FILE"),
        (&["rootfs", "local/app", "-o", &file, "--init", "sysv"], "systemd"),
        (&["rootfs", "local/app", "-o", &file, "--format", "tar", "--free", "5%"], "of an ext4"),
        (&["boot", &missing], "cannot open"),
        (&["boot", "--vmm", "none", &missing], "cannot open"),
    ];
    for (words, says) in table {
        let ended = scene.kiln(words).run().await?;
        ensure!(ended.code == Some(125), "{words:?}: {ended}");
        ensure!(ended.stderr_text().contains(says), "{words:?}: {ended}");
    }
    ensure!(scene.host.list_jobs().await?.len() == before, "a job was made of it");
    // What nobody has is known before there is a VM, and has a record.
    let ended = scene.kiln(&["rootfs", "local/none:1", "-o", &file]).run().await?;
    ensure!(ended.code == Some(1), "{ended}");
    ensure!(ended.stderr_text().contains("local/none"), "{ended}");
    let job = scene.host.newest_job().await?;
    ensure!(details(&job).get("step").map(String::as_str) == Some("fetch"), "{job:?}");
    scene.ends().await
}
