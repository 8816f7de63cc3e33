//! The whole way: a Dockerfile, its image, a root filesystem of it, and a machine that boots that.

use std::{process::Command, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_tests::{Stage, Story, digest, stories};

use crate::build::scene::{Scene, went_well};

pub(crate) fn stories() -> Vec<Story> {
    stories![a_dockerfile_becomes_a_machine.limit(Duration::from_secs(1800))]
}

const DOCKERFILE: &str = r#"FROM BASE
ENV WORD=booted
WORKDIR /work
COPY hello .
RUN echo "built: $(cat hello)" >said
CMD ["sh", "-c", "echo \"$WORD in $PWD: $(cat said)\"; exit 5"]
"#;
const SAYS: &str = "booted in /work: built: hello there";

async fn a_dockerfile_becomes_a_machine(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let context =
        scene.context("context", &[("Dockerfile", DOCKERFILE), ("hello", "hello there\n")])?;
    let (file, described) = (scene.path("app.ext4"), scene.path("app.json"));
    let output =
        format!("type=rootfs,dest={},metadata={},label=story", file.display(), described.display());
    let built = scene.build(&context, &["-t", "local/app:1", "-o", &output]);
    let built = built.limit(Duration::from_secs(900)).run().await?;
    went_well(&built)?;
    ensure!(built.stderr_text().contains("as its init said"), "it was not checked: {built}");

    // What the host counted is what is here, and others take it for a file system.
    let record = scene.record().await?;
    assert_eq!(record["boot"]["state"], "up", "{record}");
    assert_eq!(record["rootfs"]["init"], "direct", "{record}");
    let bytes = std::fs::read(&file)?;
    let digest = format!("sha256:{}", digest(&bytes));
    assert_eq!(record["rootfs"]["digest"], digest.as_str(), "{record}");
    let described: serde_json::Value = serde_json::from_slice(&std::fs::read(described)?)?;
    ensure!(described.to_string().contains(&digest), "{described}");
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(&file).output();
    let checked = checked.context("e2fsck, of e2fsprogs")?;
    ensure!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    // A copy of it has a console and the command's own exit code.
    let boot = scene.host.kiln(["boot"]).argument(&file);
    let booted = boot.limit(Duration::from_secs(300)).run().await?;
    ensure!(booted.stdout_text().contains(SAYS), "{booted}");
    assert_eq!(booted.code, Some(5), "{booted}");
    ensure!(std::fs::read(&file)? == bytes, "the file has changed");

    // So has what lies on the host; and made of the image's name it is the same, byte for byte.
    let again = scene.path("again.ext4");
    let words = ["rootfs", "local/app:1", "--label", "story", "--no-boot-check", "-o"];
    let made = scene.host.kiln(words).argument(&again).limit(Duration::from_secs(600));
    went_well(&made.run().await?)?;
    ensure!(std::fs::read(&again)? == bytes, "other bytes were made of the same image");
    let job = scene.host.newest_job().await?;
    let boot = scene.host.kiln(["boot", "--job", &job.id]).limit(Duration::from_secs(300));
    let booted = boot.run().await?;
    ensure!(booted.stdout_text().contains(SAYS), "{booted}");
    assert_eq!(booted.code, Some(5), "{booted}");
    scene.ends().await
}
