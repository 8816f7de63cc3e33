//! An image from a Dockerfile, without a registry: its one program is a guest's own busybox, which
//! Debian's package brought there.

use std::{fs, path::Path};

use anyhow::{Context as _, ensure};

use super::Client;
use crate::{program, say, temporary::TemporaryDirectory};

const DOCKERFILE: &str = r#"FROM scratch AS base
COPY --chmod=755 busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]

FROM base AS work
RUN uname -srm >/about && id >>/about
RUN --mount=type=cache,target=/cache echo "kept for the next step" >/cache/word

FROM base
COPY --from=work /about /
RUN echo "built in a microVM:" && cat /about
CMD ["cat", "/about"]
"#;

impl Client<'_> {
    pub(super) fn build_an_image(&self) -> anyhow::Result<()> {
        let directory = TemporaryDirectory::new("i")?;
        let context = directory.path().join("context");
        fs::create_dir(&context).context("a context")?;
        fs::write(context.join("Dockerfile"), DOCKERFILE).context("a Dockerfile")?;
        say!("==> kiln run --output-raw /bin/busybox:context/busybox -- true");
        let output = format!("/bin/busybox:{}", context.join("busybox").display());
        program::run(&mut self.command(&["run", "--output-raw", &output, "--", "true"]))?;

        let archive = directory.path().join("image.tar");
        say!("\n==> kiln build -t local/demo:1 -o type=oci,dest=image.tar context\n\n{DOCKERFILE}");
        let output = format!("type=oci,dest={}", archive.display());
        let words = ["build", "--disk", "4G", "--progress", "plain", "-t", "local/demo:1"];
        program::run(self.command(&words).args(["--output", &output]).arg(&context))?;
        self.show_the_newest_job()?;
        show(&archive)?;
        self.boot_an_image(&archive)?;
        directory.remove()
    }
}

/// What an independent program says of it.
fn show(archive: &Path) -> anyhow::Result<()> {
    let image = format!("oci-archive:{}", archive.display());
    say!("==> skopeo inspect {image}\n");
    let inspected = program::capture(&mut program::command("skopeo", ["inspect", &image]))?;
    ensure!(inspected.contains("\"Digest\": \"sha256:"), "skopeo knows no digest: {inspected}");
    say!("{inspected}");
    Ok(())
}
