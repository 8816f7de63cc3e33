//! A kilnd in a world, and guests that bring their own tools.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use kiln_tests::{Finished, Host, HostSetup, Kiln, Running, Stage, World};
use serde_json::Value;

/// In every guest that is given the tools.
pub(super) const PROBE: &str = "/tools/kiln-probe";

/// What scripts of guests are made of. `page NAME [ADDRESS]` is the page of a server of TLS that was
/// asked for by name, `bare ADDRESS` that of one that was asked for nothing, `plain NAME` that of one
/// without TLS.
pub(super) const SHELL: &str = r#"
page() {
    printf 'GET /who HTTP/1.0\r\n\r\n' |
        timeout 60 openssl s_client -quiet -connect "${2:-$1}:443" -servername "$1" 2>/dev/null |
        tail -n 1
}
bare() {
    printf 'GET /who HTTP/1.0\r\n\r\n' |
        timeout 60 openssl s_client -quiet -connect "$1:443" -noservername 2>/dev/null | tail -n 1
}
plain() { timeout 60 busybox wget -q -O - "http://$1/" 2>/dev/null; }
said() { echo "$1: $("${@:2}")"; }
"#;

#[derive(Debug)]
pub(super) struct Scene {
    pub(super) world: World,
    pub(super) host: Host,
    tools: String,
}

impl Scene {
    pub(super) async fn set(stage: &Stage) -> anyhow::Result<Self> {
        Self::set_with(stage, |setup| setup).await
    }

    pub(super) async fn set_with(
        stage: &Stage,
        change: impl for<'a> Fn(HostSetup<'a>) -> HostSetup<'a>,
    ) -> anyhow::Result<Self> {
        let world = World::around(stage).await?;
        let host = change(stage.host()).start().await?;
        Ok(Self { world, host, tools: format!("{}:/tools", tools(stage)?.display()) })
    }

    /// A job of bash with the tools, under a policy as the command line has it.
    pub(super) fn job(&self, egress: &str, script: &str) -> Kiln {
        let script = format!("{SHELL}{script}");
        self.host
            .kiln(["run", "--egress", egress])
            .arguments(["--input", &self.tools, "--"])
            .arguments(["bash", "-c", &script])
    }

    /// One that reads what it is told.
    pub(super) fn talk(&self, egress: &str, script: &str) -> anyhow::Result<Running> {
        let script = format!("{SHELL}{script}");
        let run = ["run", "-i", "--egress", egress, "--input", &self.tools, "--"];
        self.host.kiln(run).arguments(["bash", "-c", &script]).held_stdin().start()
    }

    /// One that must end well.
    pub(super) async fn told(&self, egress: &str, script: &str) -> anyhow::Result<Told> {
        let ended = self.job(egress, script).run().await?;
        ensure!(ended.code == Some(0), "{ended}");
        Ok(Told::of(&ended))
    }

    /// As `kiln job get` has the newest job.
    pub(super) async fn record(&self) -> anyhow::Result<Value> {
        let job = self.host.newest_job().await?;
        let shown = self.host.kiln(["job", "get", "--json", &job.id]).run().await?;
        ensure!(shown.code == Some(0), "{shown}");
        shown.json()
    }

    /// Nothing but the expected has arrived anywhere, and kilnd takes everything with it.
    pub(super) async fn ends(self, expected: &[(std::net::IpAddr, u16)]) -> anyhow::Result<()> {
        let Self { world, host, tools: _ } = self;
        host.vms_are_gone().await?;
        no_strays(&world, expected)?;
        host.stop().await
    }
}

pub(super) fn no_strays(world: &World, expected: &[(std::net::IpAddr, u16)]) -> anyhow::Result<()> {
    let strays = world.strays(expected);
    ensure!(strays.is_empty(), "what nobody allowed has arrived:\n{}", strays.join("\n"));
    let inside = world.served_inside().all();
    ensure!(inside.is_empty(), "the operator's servers were spoken to: {inside:?}");
    Ok(())
}

/// A directory with the probe in it.
fn tools(stage: &Stage) -> anyhow::Result<PathBuf> {
    let tools = stage.directory().join("tools");
    if !tools.exists() {
        std::fs::create_dir(&tools)?;
        let probe = stage.settings().kilnd_stub.with_file_name("kiln-probe");
        std::fs::copy(&probe, tools.join("kiln-probe"))
            .with_context(|| format!("copying {}", probe.display()))?;
    }
    Ok(tools)
}

/// The lines that a guest said.
#[derive(Clone, Debug)]
pub(super) struct Told {
    lines: Vec<String>,
}

/// One try of the probe's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) place: String,
    pub(super) outcome: String,
    pub(super) millis: u64,
}

impl Told {
    pub(super) fn of(ended: &Finished) -> Self {
        Self { lines: ended.stdout_text().lines().map(str::to_owned).collect() }
    }

    /// What came after `what: `.
    pub(super) fn said(&self, what: &str) -> anyhow::Result<&str> {
        let mut lines = self.lines.iter().filter_map(|line| line.split_once(": "));
        let found = lines.find(|(name, _)| *name == what);
        found.map(|(_, said)| said).with_context(|| format!("nothing of {what} in {self:?}"))
    }

    pub(super) fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The probe's tries over this transport.
    pub(super) fn tried(&self, transport: &str) -> anyhow::Result<Vec<Tried>> {
        let tried = self.lines.iter().filter_map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            let [kind, place, outcome, millis] = *words.as_slice() else { return None };
            (kind == transport).then(|| {
                Ok(Tried {
                    place: place.to_owned(),
                    outcome: outcome.to_owned(),
                    millis: millis.parse()?,
                })
            })
        });
        tried.collect()
    }
}

/// The refusals of a record that are of this name or address, as `REASON` each.
pub(super) fn refusals(record: &Value, of: &str) -> Vec<String> {
    let all = record["egress"]["refusals"].as_array().cloned().unwrap_or_default();
    let is_of = |refusal: &&Value| refusal["name"] == of || refusal["address"] == of;
    let reason = |refusal: &Value| refusal["reason"].as_str().unwrap_or_default().to_owned();
    all.iter().filter(is_of).map(reason).collect()
}

/// The flow of a record to this name and port.
pub(super) fn flow<'a>(record: &'a Value, name: &str, port: u16) -> anyhow::Result<&'a Value> {
    let flows = record["egress"]["flows"].as_array().context("no flows")?;
    let found = flows.iter().find(|flow| flow["name"] == name && flow["port"] == port);
    found.with_context(|| format!("no flow to {name}:{port} in {record}"))
}
