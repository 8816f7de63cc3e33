//! The same Dockerfiles by plain `docker-buildx` with docker's engine, all in one guest.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};

use super::{POLICY, case::Case};
use crate::build::scene::Scene;

/// `/cases` holds contexts, `/words` their arguments; what is built goes to `/out`.
const SCRIPT: &str = r#"
mkdir -p /cases /out /var/lib/docker
tar --xattrs --xattrs-include='*' -xpf /cases.tar -C /cases
# What is written to the scratch disk is a layer already, on which no other is stacked.
mount -t tmpfs tmpfs /var/lib/docker
env $(cat /run/kiln/docker.env) dockerd --bridge=none --iptables=false --ip6tables=false \
    >/out/engine.log 2>&1 &
for _ in $(seq 400); do
    printf 'GET /_ping HTTP/1.0\r\n\r\n' | socat -t 1 STDIO,ignoreeof UNIX-CONNECT:/run/docker.sock \
        2>/dev/null | grep -q '^OK' && break
    sleep 0.3
done
for case in /cases/*/; do
    name=$(basename "$case")
    mapfile -t words <"$case/words"
    /usr/libexec/docker/cli-plugins/docker-buildx build --progress=plain --network=host \
        --provenance=false --output "type=oci,dest=/out/$name.tar" \
        "${words[@]}" "$case/context-$name" >"/out/$name.log" 2>&1 ||
        { echo "$name ended with $?"; tail -n 30 "/out/$name.log"; }
done
rm /out/engine.log
"#;

/// An archive of each case's image in `into`, and what was said of it.
pub(super) async fn build(scene: &Scene, cases: &[Case], into: &Path) -> anyhow::Result<()> {
    let contexts = scene.path("plain");
    std::fs::create_dir(&contexts)?;
    for case in cases {
        case.prepare(&contexts)?;
        let inside = Path::new("/cases").join(&case.name).join(case.context_name());
        let words = case.arguments(&inside).join("\n");
        std::fs::write(contexts.join(&case.name).join("words"), words)?;
    }
    let packed = scene.path("cases.tar");
    let mut tar = Command::new("tar");
    tar.args(["--create", "--xattrs", "--numeric-owner", "--owner=0", "--group=0", "--file"]);
    let output = tar.arg(&packed).arg("-C").arg(&contexts).arg(".").output()?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "packing contexts: {told}");
    let input = format!("{}:/cases.tar", packed.display());
    let output = format!("/out:{}", into.display());
    let kiln = scene.host.kiln(["run", "--memory", "1536M", "--egress", POLICY]);
    let kiln = kiln.arguments(["--input-raw", &input, "--output", &output, "--workdir", "/"]);
    let ended = kiln
        .arguments(["--", "bash", "-c", SCRIPT])
        .limit(std::time::Duration::from_secs(3600))
        .run()
        .await
        .context("building with docker's own")?;
    ensure!(ended.code == Some(0) && ended.stdout.is_empty(), "{ended}");
    Ok(())
}
