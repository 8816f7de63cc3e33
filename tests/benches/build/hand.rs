//! The same by hand: docker's engine and `docker-buildx` in a bare VM.

use std::time::Duration;

use anyhow::ensure;
use kiln_tests::Bare;
use kiln_vmm_manager::guest::{Command, ExecEvent, ExecStatus};

use super::DOCKERFILE;

pub(super) struct Built {
    pub(super) boot: Duration,
    /// From the engine's start to the archive.
    pub(super) build: Duration,
}

const SCRIPT: &str = r#"set -e
mkdir -p /context /var/lib/docker && cp /bin/busybox /context/
printf %s "$DOCKERFILE" >/context/Dockerfile
# What is written to the scratch disk is a layer already, on which no other is stacked.
mount -t tmpfs tmpfs /var/lib/docker
# Without that store nothing exports a layout.
mkdir -p /etc/docker
printf '{"features":{"containerd-snapshotter":true}}' >/etc/docker/daemon.json
dockerd --bridge=none --iptables=false --ip6tables=false --ip-forward=false --ip-masq=false \
    --userland-proxy=false >/engine.log 2>&1 &
until printf 'GET /_ping HTTP/1.0\r\n\r\n' | socat -t 1 STDIO,ignoreeof UNIX-CONNECT:/run/docker.sock \
    2>/dev/null | grep -q '^OK'; do sleep 0.1; done
/usr/libexec/docker/cli-plugins/docker-buildx build --progress=rawjson --network=host \
    --provenance=false --output type=oci,dest=/image.tar /context >/build.log 2>&1 ||
    { tail -n 20 /build.log; exit 1; }
test -s /image.tar
"#;

pub(super) async fn build(bare: &Bare) -> anyhow::Result<Built> {
    let vm = bare.boot().await?;
    let path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let variables = [("PATH", path), ("HOME", "/root"), ("DOCKERFILE", DOCKERFILE)];
    let command = Command {
        argv: ["bash", "-c", SCRIPT].map(str::to_owned).into(),
        env: variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        workdir: String::new(),
        user: String::new(),
        stdin: false,
        memory_bytes: 1536 << 20,
        pids: 0,
        timeout: None,
        start_limit: Duration::from_secs(60),
        id: None,
        output_offset: 0,
        stdin_sent: Some(0),
        terminal: None,
    };
    let (_input, mut output) = vm.guest.exec(command).await?;
    let mut said = Vec::new();
    let build = loop {
        match output.next().await? {
            ExecEvent::Stdout(bytes) | ExecEvent::Stderr(bytes) => said.extend_from_slice(&bytes),
            ExecEvent::Exited(exit) => {
                let said = String::from_utf8_lossy(&said);
                ensure!(exit.status == ExecStatus::Code(0), "{:?}: {said}", exit.status);
                break exit.duration;
            }
            ExecEvent::Refused { message, .. } => anyhow::bail!("refused: {message}"),
            ExecEvent::Started { .. } | ExecEvent::StdinTaken { .. } | ExecEvent::Up(_) => {}
        }
    };
    let boot = vm.took;
    bare.end(vm).await?;
    Ok(Built { boot, build })
}
