//! Scripts of guests.

use anyhow::{Context as _, ensure};
use kiln_tests::{Finished, Host, HostSetup, Kiln, Running, Stage, World, world::Upstream};
use serde_json::Value;

/// `engine` starts docker's engine as whoever uses the guest image does; `ask METHOD PATH` is its API
/// (which gives up what is asked for by who says no more),
/// and `pull NAME TAG` one call of it. `registry METHOD TARGET` is the host's registry, asked directly.
const SHELL: &str = r#"
engine() {
    # What is written to the scratch disk is a layer already, on which no other is stacked.
    mkdir -p /var/lib/docker && mount -t tmpfs tmpfs /var/lib/docker
    env $(cat /run/kiln/docker.env) dockerd --bridge=none --iptables=false --ip6tables=false \
        >/tmp/engine.log 2>&1 &
    for _ in $(seq 400); do
        ask GET /_ping 2>/dev/null | grep -q '^OK' && return
        sleep 0.3
    done
    cat /tmp/engine.log >&2
    exit 70
}
ask() {
    printf '%s %s HTTP/1.0\r\nHost: engine\r\n\r\n' "$1" "$2" |
        timeout 240 socat -t 1 STDIO,ignoreeof UNIX-CONNECT:/run/docker.sock
}
pull() { ask POST "/images/create?fromImage=$1&tag=$2"; }
# The digest under which the engine has it.
has() { ask GET "/images/$1/json" | tail -n 1 | grep -o '"RepoDigests":\["[^"]*"' | grep -o 'sha256:[0-9a-f]*'; }
registry() {
    printf '%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' \
        "$1" "$2" "$KILN_REGISTRY" | timeout 60 socat -t 1 STDIO,ignoreeof "TCP:$KILN_REGISTRY"
}
status() { registry "$@" | head -n 1 | cut -d ' ' -f 2; }
buildx() { /usr/libexec/docker/cli-plugins/docker-buildx "$@"; }
"#;

/// A kilnd in a world with a registry.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) upstream: Upstream,
    pub(super) host: Host,
}

impl Scene {
    pub(super) async fn set(stage: &Stage) -> anyhow::Result<Self> {
        let mut world = World::around(stage).await?;
        let upstream = world.upstream(stage).await?;
        let host = setup(stage, &upstream).start().await?;
        Ok(Self { world, upstream, host })
    }

    /// A job of bash under a policy, with room for an engine.
    fn kiln(&self, egress: &str, script: &str, more: &[&str]) -> Kiln {
        let script = format!("{SHELL}{script}");
        let kiln = self.host.kiln(["run", "--memory", "1536M", "--egress", egress]);
        kiln.arguments(more).arguments(["--", "bash", "-c", &script])
    }

    pub(super) async fn run(&self, egress: &str, script: &str) -> anyhow::Result<Finished> {
        self.kiln(egress, script, &[]).run().await
    }

    /// One that reads what it is told.
    pub(super) fn talk(&self, egress: &str, script: &str) -> anyhow::Result<Running> {
        self.kiln(egress, script, &["-i"]).held_stdin().start()
    }

    /// As `kiln job get` has the newest job.
    pub(super) async fn record(&self) -> anyhow::Result<Value> {
        let job = self.host.newest_job().await?;
        let shown = self.host.kiln(["job", "get", "--json", &job.id]).run().await?;
        ensure!(shown.code == Some(0), "{shown}");
        shown.json()
    }

    /// Nothing has arrived anywhere but at the registry outside.
    pub(super) async fn ends(mut self) -> anyhow::Result<()> {
        use kiln_tests::world::upstream::{ADDRESS, PORT};
        self.host.vms_are_gone().await?;
        let strays = self.world.strays(&[(ADDRESS.into(), PORT)]);
        ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
        self.upstream.stop().await?;
        self.host.stop().await
    }
}

/// Of a kilnd that is told of the registry and has its password.
pub(super) fn setup<'a>(stage: &'a Stage, upstream: &Upstream) -> HostSetup<'a> {
    stage.host().flag("--registries", upstream.registries().display())
}

/// What came after `what: ` in the lines that a guest said.
pub(super) fn said<'a>(text: &'a str, what: &str) -> anyhow::Result<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(name, _)| *name == what);
    found.map(|(_, said)| said).with_context(|| format!("nothing of {what} in {text}"))
}

/// Those of a record's materials that are manifests of this repository.
pub(super) fn manifests<'a>(record: &'a Value, repository: &str) -> Vec<&'a Value> {
    let all = record["registry"]["materials"].as_array().map(Vec::as_slice).unwrap_or_default();
    let is = |one: &&Value| one["kind"] == "manifest" && one["repository"] == repository;
    all.iter().filter(is).collect()
}
