//! What the operator opens, and what the operator never does.

use anyhow::ensure;
use kiln_tests::{Stage, Story, stories, world::HOST_PORT};

use super::scene::{PROBE, Scene};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        an_endpoint_is_opened_and_nothing_beside_it,
        no_job_goes_beyond_the_ceiling.virtual_cpus(0),
    ]
}

async fn an_endpoint_is_opened_and_nothing_beside_it(stage: &Stage) -> anyhow::Result<()> {
    let endpoint = format!("cache.test:7070=127.0.0.1:{HOST_PORT}");
    let scene = Scene::set_with(stage, |setup| setup.flag("--endpoint", &endpoint)).await?;
    let greet = "said host bash -c 'exec 3<>/dev/tcp/cache.test/7070; timeout 20 head -n 1 <&3'";
    let script = format!(
        "{greet}\n{PROBE} tcp 127.0.0.1:7070 203.0.113.1:7070 192.0.2.1:7071 198.51.100.1:7070\n"
    );
    let told = scene.told("allow=cache.test:7070/tcp", &script).await?;
    assert_eq!(told.said("host")?, "this is the host");
    for tried in told.tried("tcp")? {
        ensure!(tried.outcome != "open", "{tried:?}");
    }
    let served = scene.world.served_by_the_host().all();
    ensure!(served.len() == 1 && served[0].at.ip().is_loopback(), "{served:?}");
    // Who did not name it does not have it, whatever else he has.
    let told = scene.told("allow=one.test:443", &format!("{greet} 2>/dev/null || true")).await?;
    assert_eq!(told.said("host").unwrap_or_default(), "");
    assert_eq!(scene.world.served_by_the_host().all().len(), 1);
    scene.ends(&[]).await
}

async fn no_job_goes_beyond_the_ceiling(stage: &Stage) -> anyhow::Result<()> {
    let host = stage.host().flag("--egress-ceiling", "allow=*.one.test:443").start().await?;
    for egress in ["internet", "record", "allow=one.test:443", "allow=a.one.test:80"] {
        let refused = host.kiln(["run", "--egress", egress, "--", "true"]).run().await?;
        ensure!(refused.code != Some(0), "{egress}: {refused}");
        ensure!(
            refused.stderr_text().contains("beyond what this host allows"),
            "{egress}: {refused}"
        );
    }
    assert!(host.list_jobs().await?.is_empty(), "a refused job is listed");
    host.stop().await
}
