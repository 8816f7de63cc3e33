//! What is left of networks.

use anyhow::ensure;
use kiln_tests::{Stage, Story, World, stories, world::SHARED};

use super::scene::{SHELL, no_strays};

pub(crate) fn stories() -> Vec<Story> {
    stories![
        a_run_leaves_the_hosts_network_as_it_was,
        a_daemon_that_was_killed_is_cleared_away_after,
        what_is_not_ours_is_left_alone.virtual_cpus(0),
    ]
}

/// Links, rules, routes, settings and tables.
async fn a_run_leaves_the_hosts_network_as_it_was(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    let before = world.picture()?;
    let host = stage.host().start().await?;
    for (egress, script) in
        [("none", "true"), ("allow=one.test", "page one.test"), ("internet", "exit 3")]
    {
        let script = format!("{SHELL}{script}");
        host.kiln(["run", "--egress", egress, "--", "bash", "-c", &script]).run().await?;
    }
    host.vms_are_gone().await?;
    host.stop().await?;
    let difference = before.difference(&world.picture()?);
    ensure!(difference.is_empty(), "the host's network is another:\n{difference}");
    no_strays(&world, &[(SHARED.into(), 443)])
}

async fn a_daemon_that_was_killed_is_cleared_away_after(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    let before = world.picture()?;
    let host = stage.host().start().await?;
    let job = host.sleeping_job().await?;
    host.kill().await?;
    let host = stage.host().start().await?;
    host.kiln(["job", "cancel", &job.id]).run().await?;
    host.vms_are_gone().await?;
    host.kill().await?;
    stage.host().start().await?.stop().await?;
    let difference = before.difference(&world.picture()?);
    ensure!(difference.is_empty(), "the host's network is another:\n{difference}");
    no_strays(&world, &[])
}

/// Another's tables, rules and links, named much like ours.
async fn what_is_not_ours_is_left_alone(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    let namespace = stage.namespace().expect("a world takes root");
    namespace.run("nft", &["add", "table", "inet", "kiln_somebody"])?;
    namespace.run("nft", &["add", "table", "ip", "filter"])?;
    namespace.ip("link add kabcdef-1 type veth peer name kabcdef-2")?;
    namespace.ip("rule add pref 1234 from 203.0.113.64/26 unreachable")?;
    let before = world.picture()?;
    let host = stage.host().start().await?;
    host.stop().await?;
    let difference = before.difference(&world.picture()?);
    ensure!(difference.is_empty(), "the host's network is another:\n{difference}");
    Ok(())
}
