//! The least that a build needs: no network, no registry, and a busybox that the guest itself has.

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories};

use super::scene::went_well;

pub(crate) fn stories() -> Vec<Story> {
    stories![a_build_without_a_registry.limit(Duration::from_secs(900)).nested()]
}

const DOCKERFILE: &str = r#"FROM scratch
COPY --chmod=755 busybox /bin/busybox
RUN ["/bin/busybox", "sh", "-c", "echo built on $(/bin/busybox uname -m) >/about"]
CMD ["/bin/busybox", "cat", "/about"]
"#;

async fn a_build_without_a_registry(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().start().await?;
    let context = stage.directory().join("context");
    std::fs::create_dir(&context)?;
    std::fs::write(context.join("Dockerfile"), DOCKERFILE)?;
    let output = format!("/bin/busybox:{}", context.join("busybox").display());
    went_well(&host.kiln(["run", "--output-raw", &output, "--", "true"]).run().await?)?;

    let files = stage.directory().join("files");
    let tree = format!("type=local,dest={}", files.display());
    let archive = stage.directory().join("image.tar");
    let oci = format!("type=oci,dest={}", archive.display());
    let words = ["build", "--memory", "1536M", "--progress", "plain"];
    let kiln = host.kiln(words).arguments(["--output", &tree, "--output", &oci]);
    let kiln = kiln.argument(&context).own_variable("HOME", stage.directory());
    went_well(&kiln.limit(Duration::from_secs(600)).run().await?)?;
    let about = std::fs::read_to_string(files.join("about"))?;
    assert_eq!(about, format!("built on {}\n", std::env::consts::ARCH));

    let mut entries = tar::Archive::new(std::fs::File::open(&archive)?);
    let mut names = Vec::new();
    for entry in entries.entries()? {
        names.push(entry?.path()?.display().to_string());
    }
    for name in ["oci-layout", "index.json"] {
        ensure!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
    host.vms_are_gone().await?;
    host.stop().await
}
