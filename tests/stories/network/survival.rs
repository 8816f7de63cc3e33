//! Policies under running guests whose daemon, rules or gateway go.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{
    Namespace, Running, Stage, Story, stories, until,
    world::{self, SHARED},
};
use rustix::process::Signal;
use tokio::time::sleep;

use super::scene::{PROBE, Scene, no_strays};

const FLUSHES: usize = 20;
/// Each place under each policy.
const SOME_FLUSHES: usize = 6;
/// Without a daemon.
const ALONE: Duration = Duration::from_secs(3);
const LIMIT: Duration = Duration::from_secs(120);

/// Says the page of each name that it is given, until there is none.
const ASKING: &str = "while read -r name; do said \"$name\" page \"$name\"; echo .; done";

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_restarted_daemon_keeps_policy_and_resolver.limit(Duration::from_secs(900)),
        a_guest_without_rules_reaches_nothing.limit(Duration::from_secs(3600)),
        a_guest_without_its_gateway_ends.limit(Duration::from_secs(600)),
    ]
}

async fn asked(guest: &mut Running, name: &str) -> anyhow::Result<String> {
    guest.feed(format!("{name}\n").as_bytes()).await?;
    guest.said(".\n").await
}

async fn a_restarted_daemon_keeps_policy_and_resolver(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    // It tries on while there is no daemon, of which nothing is heard before there is one again.
    let script = format!(
        "while sleep 0.1; do {PROBE} frames dns 192.0.2.2 192.0.2.1; \
             {PROBE} tcp 203.0.113.90:22 203.0.113.1:7070 10.1.2.3:80; done >/dev/null 2>&1 &\n\
         {ASKING}; kill %1"
    );
    let mut guest = scene.talk("allow=one.test:443,three.test:443", &script)?;
    ensure!(asked(&mut guest, "one.test").await?.contains(": this is one.test"), "at first");
    scene.host.kill().await?;
    sleep(ALONE).await;
    scene.host = stage.host().start().await?;
    for (name, reached) in
        [("one.test", true), ("two.test", false), ("three.test", true), ("one.test", true)]
    {
        let said = asked(&mut guest, name).await?;
        assert_eq!(said.contains(&format!("this is {name}")), reached, "{name}: {said}");
    }
    guest.close_stdin();
    let ended = guest.finish().await?;
    ensure!(ended.code == Some(0), "{ended}");
    // What was before the restart is in the record as well.
    let record = scene.record().await?;
    let reached = super::scene::flow(&record, "one.test", 443)?;
    ensure!(reached["connections"].as_u64() >= Some(3), "{record}");
    assert_eq!(scene.world.served().to("two.test"), 0);
    scene.ends(&[(SHARED.into(), 443), (world::ALONE.into(), 443)]).await
}

/// `nft flush ruleset`: in the VM's namespace, in the host's, and in both.
async fn a_guest_without_rules_reaches_nothing(stage: &Stage) -> anyhow::Result<()> {
    let mut scene = Scene::set(stage).await?;
    let host = stage.namespace().context("root")?;
    let flushes = if stage.settings().full { FLUSHES } else { SOME_FLUSHES };
    for flush in 0..flushes {
        let (policy, place) = (["allow=one.test:443", "internet"][flush % 2], flush / 2 % 3);
        flushed(&scene, host, policy, place).await.with_context(|| {
            format!("flush {flush}, of {policy} in {}", ["its own", "the host's", "both"][place])
        })?;
        if place != 0 {
            // The host's rules are made when a daemon starts.
            scene.host.stop().await?;
            scene.host = stage.host().start().await?;
        }
    }
    scene.world.arrivals().forget();
    let told = scene.told("allow=one.test:443", "said after page one.test").await?;
    assert_eq!(told.said("after")?, "this is one.test");
    scene.ends(&[(SHARED.into(), 443)]).await
}

async fn flushed(
    scene: &Scene,
    host: &Namespace,
    policy: &str,
    place: usize,
) -> anyhow::Result<()> {
    let tries = format!(
        "page one.test >/dev/null; echo ready\n\
         while read -r go; do\n\
             {PROBE} frames honest 192.0.2.2 192.0.2.1 >/dev/null\n\
             {PROBE} frames spoof 192.0.2.2 192.0.2.1 >/dev/null\n\
             {PROBE} tcp 203.0.113.80:443 203.0.113.90:443 203.0.113.1:7070 10.1.2.3:80 \
                 169.254.169.254:80 203.0.113.53:53 &\n\
             {PROBE} udp 203.0.113.53:53 203.0.113.80:9999 8.8.8.8:53 & wait; echo .\n\
         done"
    );
    let mut guest = scene.talk(policy, &tries)?;
    guest.said("ready\n").await?;
    let machine = Namespace::of_process(gateway(scene)?)?;
    let flush = |namespace: &Namespace| namespace.run("nft", &["flush", "ruleset"]).map(drop);
    if place != 1 {
        flush(&machine)?;
    }
    if place != 0 {
        flush(host)?;
    }
    drop(machine);
    // What was on its way has arrived.
    scene.world.arrivals().forget();
    scene.world.served().forget();
    guest.feed(b"go\n").await?;
    let said = guest.said(".\n").await?;
    no_strays(&scene.world, &[]).context(said.clone())?;
    // The machine's own rules take a connection to its gateway, which gets no further.
    let open = said.lines().filter(|line| line.contains(" open ")).count();
    ensure!(open <= usize::from(place == 1), "{said}");
    ensure!(scene.world.served().all().is_empty(), "{:?}", scene.world.served().all());
    guest.close_stdin();
    guest.finish().await?;
    scene.host.vms_are_gone().await
}

async fn a_guest_without_its_gateway_ends(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let guest = scene.talk("allow=one.test:443", "echo ready; read never")?;
    let mut guest = guest;
    guest.said("ready\n").await?;
    let processes = scene.host.vm_processes()?;
    let gateway = processes.iter().find(|one| one.command.contains("kiln-gateway"));
    gateway.context("no gateway")?.signal(Signal::KILL)?;
    let ended = guest.finish().await?;
    ensure!(ended.code != Some(0), "{ended}");
    let job = until("the job has ended", LIMIT, async || {
        let job = scene.host.newest_job().await?;
        Ok((job.state() == JobState::Failed).then_some(job))
    })
    .await?;
    let failure = job.failure.unwrap_or_default();
    assert_eq!(failure.class(), FailureClass::Infrastructure, "{failure:?}");
    ensure!(failure.message.contains("gateway"), "{failure:?}");
    scene.ends(&[]).await
}

fn gateway(scene: &Scene) -> anyhow::Result<u32> {
    let processes = scene.host.vm_processes()?;
    let found = processes.iter().find(|one| one.command.contains("kiln-gateway"));
    Ok(found.with_context(|| format!("no gateway among {processes:?}"))?.id)
}
