//! The shortest way: a Dockerfile with steps that run, and an image that others take.

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories};

use super::{
    engine::Engine,
    foreign::{config, inspect, layers, layout, text, unpacked},
    scene::{Scene, went_well},
};

pub(crate) fn stories() -> Vec<Story> {
    stories![a_dockerfile_becomes_an_image_that_others_take]
}

const DOCKERFILE: &str = r#"FROM BASE
ENV WORD=first
WORKDIR /work
COPY hello .
RUN echo "$WORD: $(cat hello)" >said && uname -m >machine
RUN ["/bin/sh", "-c", "chmod 600 said"]
CMD ["cat", "/work/said"]
"#;

async fn a_dockerfile_becomes_an_image_that_others_take(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let context =
        scene.context("context", &[("Dockerfile", DOCKERFILE), ("hello", "hello there\n")])?;
    let (oci, docker) = (scene.path("image.tar"), scene.path("docker.tar"));
    let oci_output = format!("type=oci,dest={}", oci.display());
    let docker_output = format!("type=docker,dest={}", docker.display());
    let outputs = ["-t", "local/app:1", "-o", &oci_output, "-o", &docker_output];
    let ended = scene.build(&context, &outputs).run().await?;
    went_well(&ended)?;

    let archive = format!("oci-archive:{}", oci.display());
    let (manifest, digest) = inspect(stage, &archive)?;
    assert_eq!(layers(&manifest)?.len(), 5, "{manifest}");
    let config = config(stage, &archive)?;
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["cat", "/work/said"]), "{config}");
    assert_eq!(config["config"]["WorkingDir"], "/work", "{config}");
    let root = unpacked(stage, &layout(stage, &oci, "layout")?, "bundle")?;
    assert_eq!(text(&root, "work/said")?, "first: hello there\n");
    assert_eq!(text(&root, "work/machine")?.trim(), std::env::consts::ARCH);

    // The host's own registry has it under its name, and the record says so.
    let record = scene.record().await?;
    ensure!(record.to_string().contains(&digest), "{digest} is not in {record}");
    let shown = scene.host.kiln(["image", "registry"]).run().await?;
    let address = shown.stdout_text().trim().to_owned();
    let (_, named) = inspect(stage, &format!("docker://{address}/local/app:1"))?;
    assert_eq!(named, digest);

    let engine = Engine::start(stage).await?;
    let loaded = engine.docker(&["load", "--input", &docker.display().to_string()])?;
    ensure!(loaded.contains("local/app:1"), "{loaded}");
    let format = ["image", "inspect", "--format", "{{json .Config.Cmd}}", "local/app:1"];
    assert_eq!(engine.docker(&format)?.trim(), r#"["cat","/work/said"]"#);
    engine.stop().await?;
    scene.ends().await
}
