//! One Dockerfile with nearly all that there is, and every output at once.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Stage, Story, stories, until, world::upstream::NAME};
use tokio::process::{Child, Command as Spawn};

use super::{
    foreign::{inspect, text},
    scene::{Scene, went_well},
};

pub(crate) fn stories() -> Vec<Story> {
    stories![every_output_of_one_build_of_two_platforms.limit(Duration::from_secs(1200))]
}

const DOCKERFILE: &str = r#"
ARG FLAVOUR=plain
FROM --platform=$BUILDPLATFORM BASE AS keys
COPY ssh /
RUN --mount=type=ssh,required /usr/bin/ssh-add -L >/key
RUN --mount=type=secret,id=file,required --mount=type=secret,id=own,target=/own,required \
    sha256sum </run/secrets/file >/sums && sha256sum </own >>/sums && echo "it is $(cat /own)"

FROM BASE AS work
ARG FLAVOUR
ARG TARGETARCH
RUN --mount=type=cache,target=/cache,id=rich echo $TARGETARCH >>/cache/list && cat /cache/list >/list
RUN echo "$FLAVOUR $TARGETARCH $(uname -m)" >/about

FROM work AS unused
RUN exit 1

FROM BASE AS last
COPY --from=keys /key /sums /
COPY --from=work /about /list /
CMD ["cat", "/about"]

FROM last AS beyond
RUN exit 1
"#;

async fn every_output_of_one_build_of_two_platforms(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let context = scene.context("context", &[("Dockerfile", DOCKERFILE)])?;
    client_of_ssh(&context.join("ssh"))?;
    let agent = Agent::start(&scene.path("agent")).await?;
    std::fs::write(scene.path("secret"), "a secret of a file")?;

    let at = |name: &str| scene.path(name).display().to_string();
    let secret = format!("id=file,src={}", at("secret"));
    let ssh = format!("default={}", agent.socket.display());
    let gzip = format!("type=oci,compression=gzip,dest={}", at("gzip.tar"));
    let zstd = format!("type=oci,compression=zstd,force-compression=true,dest={}", at("zstd.tar"));
    let (tree, tar) =
        (format!("type=local,dest={}", at("tree")), format!("type=tar,dest={}", at("files.tar")));
    let pushed = format!("type=image,name={NAME}/team/rich:1,push=true");
    let words = [
        ["--target", "last"],
        ["--platform", "linux/amd64,linux/arm64"],
        ["--build-arg", "FLAVOUR=rich"],
        ["--secret", &secret],
        ["--secret", "id=own,env=OWN_SECRET"],
        ["--ssh", &ssh],
        ["--cache-to", "type=registry,ref=local/cache:rich,mode=max"],
        ["--output", "type=image,name=local/rich:1"],
        ["--output", &gzip],
        ["--output", &zstd],
        ["--output", &tree],
        ["--output", &tar],
        ["--output", &pushed],
    ];
    let build = || scene.build(&context, words.as_flattened()).own_variable("OWN_SECRET", "s3cr3t");
    let limit = Duration::from_secs(600);
    let ended = build().limit(limit).run().await?;
    went_well(&ended)?;
    let said = ended.stdout_text() + &ended.stderr_text();
    ensure!(said.contains("it is ") && !said.contains("s3cr3t"), "{ended}");

    for (platform, machine) in [("amd64", "x86_64"), ("arm64", "aarch64")] {
        let root = scene.path("tree").join(format!("linux_{platform}"));
        assert_eq!(text(&root, "about")?, format!("rich {platform} {machine}\n"));
        ensure!(text(&root, "key")?.starts_with("ssh-ed25519 "), "no key");
        let sums = text(&root, "sums")?;
        let expected =
            ["a secret of a file", "s3cr3t"].map(|text| kiln_tests::digest(text.as_bytes()));
        ensure!(expected.iter().all(|sum| sums.contains(sum)), "{sums}");
    }
    let listed = Command::new("tar").arg("-tf").arg(scene.path("files.tar")).output()?;
    let listed = String::from_utf8(listed.stdout)?;
    ensure!(listed.contains("linux_arm64/about"), "{listed}");

    // The same index in all places, but where other compression makes it another.
    let (index, digest) = inspect(stage, &format!("oci-archive:{}", at("gzip.tar")))?;
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2), "{index}");
    let (_, other) = inspect(stage, &format!("oci-archive:{}", at("zstd.tar")))?;
    assert_ne!(other, digest);
    let record = scene.record().await?;
    ensure!(record.to_string().contains(&digest), "{digest} is not in {record}");
    let outside = scene.upstream.pulled("team/rich:1", &scene.path("pulled"))?;
    ensure!(outside.contains("sha256:"), "{outside}");

    // Once more, and all that was done is taken from there.
    let once_more = [words.as_flattened(), &["--cache-from", "local/cache:rich"]].concat();
    let kiln = scene.build(&context, &once_more).own_variable("OWN_SECRET", "s3cr3t");
    went_well(&kiln.limit(limit).run().await?)?;
    let record = scene.record().await?;
    ensure!(record["build"]["cached"].as_u64() >= Some(4), "{}", record["build"]);
    agent.stop().await?;
    scene.ends().await
}

/// A client of ssh agents and what it loads: for a base that has nothing but busybox.
fn client_of_ssh(into: &Path) -> anyhow::Result<()> {
    let script = "set -e; mkdir -p \"$0/usr/bin\"; program=$(command -v ssh-add)
        cp \"$program\" \"$0/usr/bin/\"
        for file in $(ldd \"$program\" | grep -o '/[^ ]*'); do
            mkdir -p \"$0$(dirname \"$file\")\" && cp -L \"$file\" \"$0$file\"
        done";
    let output = Command::new("sh").args(["-c", script]).arg(into).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// An ssh agent with one key. Killed when dropped.
struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    async fn start(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(directory)?;
        let (socket, key) = (directory.join("socket"), directory.join("key"));
        let child = Spawn::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting ssh-agent")?;
        let agent = Self { child, socket };
        let limit = Duration::from_secs(20);
        until("an agent listens", limit, async || Ok(agent.socket.exists().then_some(()))).await?;
        let script = "ssh-keygen -q -t ed25519 -N '' -C kiln -f \"$0\" && ssh-add -q \"$0\"";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(&key).env("SSH_AUTH_SOCK", &agent.socket);
        let output = shell.output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(agent)
    }

    async fn stop(mut self) -> anyhow::Result<()> {
        self.child.kill().await?;
        Ok(std::fs::remove_file(&self.socket)?)
    }
}
