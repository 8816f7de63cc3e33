//! Two daemons of one host: under load side by side, killed and restarted, and no harm to each
//! other.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Client, Host, Stage, Story, Work, stories};
use tokio::{task::JoinHandle, time::sleep};

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![two_daemons_share_nothing.limit(Duration::from_secs(900))]
}

const ROUNDS: usize = 5;
const CLIENTS: usize = 3;

async fn two_daemons_share_nothing(stage: &Stage) -> anyhow::Result<()> {
    let start = async |name| stage.stub_host().named(name).start().await;
    let (mut left, mut right) = (start("left").await?, start("right").await?);
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = [("left", &left), ("right", &right)]
        .into_iter()
        .flat_map(|(name, host)| (0..CLIENTS).map(move |number| (name, number, host.client())))
        .map(|(name, number, client)| {
            let (directory, stop) = (stage.directory().to_owned(), Arc::clone(&stop));
            let work = move |count: usize| {
                let work = Work::new(&directory, &format!("{name}-{number}-{count}"));
                work.meanwhile("sleep 0.1")
            };
            tokio::spawn(submit_until(stop, work, client))
        })
        .collect();
    for round in 0..ROUNDS {
        for _ in 0..20 {
            apart(&left, &right)?;
            sleep(Duration::from_millis(50)).await;
        }
        if round % 2 == 0 {
            left.kill().await?;
            left = start("left").await?;
        } else {
            right.kill().await?;
            right = start("right").await?;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut jobs = 0;
    for client in load {
        jobs += finished(client).await?;
    }
    ensure!(jobs > 2 * CLIENTS, "only {jobs} jobs were run");
    for host in [&left, &right] {
        all_is_released(host).await?;
    }
    left.stop().await?;
    right.stop().await
}

/// No VM of one is in the other's directory or cgroup, nor has its number.
fn apart(left: &Host, right: &Host) -> anyhow::Result<()> {
    let (left_groups, right_groups) = (left.cgroups()?, right.cgroups()?);
    let common: Vec<_> = left_groups.iter().filter(|path| right_groups.contains(path)).collect();
    ensure!(common.is_empty(), "both have {common:?}");
    let ids = |host: &Host| -> anyhow::Result<BTreeSet<u32>> {
        Ok(host.vm_processes()?.iter().map(|process| process.id).collect())
    };
    let common: Vec<_> = ids(left)?.intersection(&ids(right)?).copied().collect();
    ensure!(common.is_empty(), "processes of both: {common:?}");
    let (left, right) = (left.vm_numbers()?, right.vm_numbers()?);
    let common: Vec<_> = left.intersection(&right).collect();
    ensure!(common.is_empty(), "both gave out {common:?}");
    Ok(())
}

async fn submit_until(
    stop: Arc<AtomicBool>,
    work: impl Fn(usize) -> Work,
    client: Client,
) -> anyhow::Result<usize> {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let work = work(count);
        let job = client.submit(&work.spec(&client).await??, &work.key).await??;
        work.is_true(&client, &client.ended(&job.id).await?, false).await?;
        count += 1;
    }
    Ok(count)
}

async fn finished(client: JoinHandle<anyhow::Result<usize>>) -> anyhow::Result<usize> {
    client.await.context("a client")?
}
