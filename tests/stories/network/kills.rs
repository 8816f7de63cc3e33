//! Whatever is killed, at whatever step: no guest reaches more for it.
//!
//! The guests are stubs, which know no boot: from the moment that their machine is made they send
//! all that a hostile guest would, without a pause.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{Egress, EgressMode, JobSpec};
use kiln_tests::{Client, HostSetup, Stage, Story, Work, World, fault::Victims, stories};
use kiln_vmm_manager::fault::Point;
use rustix::process::Signal;
use tokio::time::sleep;

use super::scene::no_strays;

/// How long until the daemon has met its point.
const POINT_LIMIT: Duration = Duration::from_secs(60);
/// In which what is left behind is used, if it can be.
const ALONE: Duration = Duration::from_millis(300);
const OTHERS: usize = 8;
/// The host's own rules take some, a machine's the rest.
const CALLS: usize = 12;

pub(crate) fn stories() -> Vec<Story> {
    let an_hour = Duration::from_secs(3600);
    stories![
        a_guest_floods_and_what_is_allowed_arrives,
        a_daemon_that_dies_anywhere_opens_nothing.limit(an_hour),
        a_gateway_or_helper_that_dies_opens_nothing.limit(an_hour),
        an_nft_that_dies_opens_nothing.limit(an_hour),
    ]
}

fn setup(stage: &Stage) -> HostSetup<'_> {
    stage.stub_host().with_networks().flooding()
}

const JOB: [&str; 6] = ["run", "--egress", "allow=one.test:443", "--", "sleep", "1"];

/// Otherwise that nothing arrives would say nothing.
async fn a_guest_floods_and_what_is_allowed_arrives(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    let host = setup(stage).start().await?;
    let ended = host.kiln(["run", "--egress", "internet", "--", "sleep", "2"]).run().await?;
    ensure!(ended.code == Some(0), "{ended}");
    let (target, port) = (kiln_probe::cases::TARGET, kiln_probe::cases::HONEST_PORT);
    let arrived = world.arrivals().all();
    ensure!(arrived.iter().any(|one| one.destination == target && one.port == port), "{arrived:?}");
    host.vms_are_gone().await?;
    ensure!(world.trespasses().all().is_empty(), "{:?}", world.trespasses().all());
    world.arrivals().forget();
    host.kiln(JOB).run().await?;
    no_strays(&world, &[])?;
    host.stop().await
}

async fn a_daemon_that_dies_anywhere_opens_nothing(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    let mut killed = 0;
    // Only a guest that asks for a name, or for an image, meets those.
    let is_of_asking = |point: &Point| {
        matches!(point, Point::Admitted | Point::Served)
            || point.is_of_builds()
            || point.is_of_root_filesystems()
    };
    for point in Point::ALL.iter().filter(|point| !is_of_asking(point)) {
        for victims in [Victims::Daemon, Victims::Both] {
            let name = format!("{}-{}", victims.name(), point.name());
            let doomed = setup(stage).dies_at(point.name(), 1).victims(victims);
            let mut host = doomed.start().await?;
            let job = tokio::spawn(closed_job(Work::new(stage.directory(), &name), host.client()));
            let status = host.ended(POINT_LIMIT).await;
            let status = status.with_context(|| format!("it never met {}", point.name()))?;
            ensure!(status.code().is_none(), "kilnd ended with {status} at {}", point.name());
            sleep(ALONE).await;
            let host = setup(stage).start().await?;
            job.await??;
            host.vms_are_gone().await?;
            no_strays(&world, &[]).context(name)?;
            host.stop().await?;
            killed += 1;
        }
    }
    ensure!(killed >= 50, "{killed} kills");
    Ok(())
}

/// Through every step that there is, to its end.
async fn closed_job(work: Work, client: Client) -> anyhow::Result<()> {
    let work = work.with_input().with_output();
    let egress =
        Egress { mode: EgressMode::Allow.into(), rules: vec!["one.test:443/tls".to_owned()] };
    let spec = JobSpec { egress: Some(egress), ..work.spec(&client).await?? };
    let job = client.submit(&spec, &work.key).await??;
    client.ended(&job.id).await.map(drop)
}

async fn a_gateway_or_helper_that_dies_opens_nothing(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    for round in 0..OTHERS {
        let mut host = setup(stage).start().await?;
        let job =
            host.kiln(["run", "--egress", "allow=one.test:443", "--", "sleep", "60"]).start()?;
        let victim = kiln_tests::until("there is a gateway", POINT_LIMIT, async || {
            let processes = host.vm_processes()?;
            Ok(processes.into_iter().find(|one| one.command.contains("kiln-gateway")))
        })
        .await?;
        sleep(Duration::from_millis(40) * u32::try_from(round)?).await;
        if round % 2 == 0 {
            victim.signal(Signal::KILL)?;
        } else {
            host.helper()?.signal(Signal::KILL)?;
            host.ended(POINT_LIMIT).await?;
            sleep(ALONE).await;
            host = setup(stage).start().await?;
            let running = host.newest_job().await?;
            host.kiln(["job", "cancel", &running.id]).run().await?;
        }
        job.finish().await?;
        host.vms_are_gone().await?;
        no_strays(&world, &[]).with_context(|| format!("round {round}"))?;
        host.stop().await?;
    }
    Ok(())
}

/// It dies before it has done anything, or after it has done all and before it says so.
async fn an_nft_that_dies_opens_nothing(stage: &Stage) -> anyhow::Result<()> {
    let world = World::around(stage).await?;
    for round in 0..CALLS * 2 {
        let call = 1 + round / 2;
        let mut host = setup(stage).nft_dies_at(call, round % 2 == 1)?.doomed()?;
        // It may be the host's own rules that can't be made: then there is no daemon.
        let answered = kiln_tests::until("kilnd answers or ends", POINT_LIMIT, async || {
            Ok(match host.list_jobs().await {
                Ok(_) => Some(true),
                Err(_) => host.has_ended()?.then_some(false),
            })
        });
        if answered.await? {
            host.kiln(JOB).run().await?;
            sleep(ALONE).await;
        }
        no_strays(&world, &[]).with_context(|| format!("call {call}, round {round}"))?;
        if !host.has_ended()? {
            host.kill().await?;
        }
        let host = setup(stage).start().await?;
        host.vms_are_gone().await?;
        host.stop().await?;
    }
    Ok(())
}
