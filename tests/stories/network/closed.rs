//! Nobody said anything of a network.

use anyhow::ensure;
use kiln_proto::v1::{FailureClass, JobState};
use kiln_tests::{Stage, Story, stories};

use super::scene::{PROBE, Scene, Told, refusals};

/// Twenty, and then those of IPv6.
const PLACES: &str = "203.0.113.80:443 203.0.113.80:80 203.0.113.80:22 203.0.113.53:53 \
    203.0.113.8:53 203.0.113.8:853 203.0.113.1:7070 203.0.113.1:22 169.254.169.254:80 \
    10.1.2.3:443 192.168.1.1:80 172.16.0.1:22 100.64.0.1:80 198.51.100.1:80 198.51.100.2:7070 \
    192.0.2.1:80 192.0.2.1:15001 192.0.2.130:80 192.0.2.129:7070 8.8.8.8:443 \
    [2001:db8:a::80]:443 [2001:db8:1::1]:7070 [fd00:ec2::254]:80 [2001:db8:2::2]:80";
const DATAGRAMS: &str = "203.0.113.53:53 203.0.113.80:9999 203.0.113.80:443 169.254.169.254:53 \
    192.0.2.1:15001 8.8.8.8:53";
/// Under emulation, on a busy machine; a silent refusal takes five.
const AT_ONCE_MILLIS: u64 = 2500;

pub(crate) fn stories() -> Vec<Story> {
    stories![a_guest_reaches_nothing_and_is_told_so_at_once, a_daemon_without_networks_gives_none]
}

async fn a_guest_reaches_nothing_and_is_told_so_at_once(stage: &Stage) -> anyhow::Result<()> {
    let scene = Scene::set(stage).await?;
    let script = format!(
        "{PROBE} tcp {PLACES}; {PROBE} udp {DATAGRAMS}; \
         start=$SECONDS; getent hosts one.test || echo 'where is one.test?' >&2; echo \"took: $((SECONDS - start))\"; exit 9"
    );
    // The default, not asked for.
    let input = format!("{}:/tools", stage.directory().join("tools").display());
    let run = ["run", "--input", &input, "--", "bash", "-c", &script];
    let ended = scene.host.kiln(run).run().await?;
    ensure!(ended.code == Some(9), "{ended}");
    let told = Told::of(&ended);
    for (transport, places) in [("tcp", PLACES), ("udp", DATAGRAMS)] {
        let tried = told.tried(transport)?;
        assert_eq!(tried.len(), places.split_whitespace().count(), "{ended}");
        for one in tried {
            ensure!(!["open", "silent"].contains(&&*one.outcome), "{one:?}");
            ensure!(one.millis < AT_ONCE_MILLIS, "{one:?}");
        }
    }
    ensure!(
        told.said("took")?.parse::<u64>()? < 5,
        "a name that is refused is waited for: {ended}"
    );
    ensure!(scene.world.zone().asked().is_empty(), "{:?}", scene.world.zone().asked());
    ensure!(scene.world.served_by_the_host().all().is_empty(), "the host was reached");

    let job = scene.host.newest_job().await?;
    assert_eq!(job.state(), JobState::Failed);
    let failure = job.failure.clone().unwrap_or_default();
    assert_eq!(failure.class(), FailureClass::EgressDenied, "{failure:?}");
    assert!(failure.message.contains("one.test"), "{failure:?}");
    let record = scene.record().await?;
    assert!(refusals(&record, "one.test").contains(&"not_allowed".to_owned()), "{record}");
    assert!(!refusals(&record, "203.0.113.80").is_empty(), "{record}");
    assert!(!refusals(&record, "169.254.169.254").is_empty(), "{record}");
    scene.ends(&[]).await
}

/// Its guests have their loopback, as before there were networks.
async fn a_daemon_without_networks_gives_none(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().without_networks().start().await?;
    let ended = host.kiln(["run", "--", "ls", "/sys/class/net", "/etc/resolv.conf"]).run().await?;
    assert_eq!(
        ended.stdout_text().split_whitespace().collect::<Vec<_>>(),
        ["/sys/class/net:", "lo"]
    );
    let refused = host.kiln(["run", "--egress", "internet", "--", "true"]).run().await?;
    ensure!(refused.code != Some(0), "{refused}");
    ensure!(refused.stderr_text().contains("network"), "{refused}");
    host.stop().await
}
