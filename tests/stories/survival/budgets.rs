//! What all VMs have together, at any instant and as seen from outside, while everything happens
//! at random.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_proto::v1::{Budget, JobState};
use kiln_tests::{Client, Dice, Stage, Story, Work, details, stories};
use tokio::{task::JoinSet, time::sleep};

use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![budgets_hold_at_every_instant.limit(Duration::from_secs(5400)).virtual_cpus(2),]
}

const VMS: u32 = 5;
const CPUS: u32 = 6;
const MEMORY_MIB: u64 = 2048;
const CLIENTS: u64 = 6;

async fn budgets_hold_at_every_instant(stage: &Stage) -> anyhow::Result<()> {
    let long = Duration::from_secs(if stage.settings().full { 3600 } else { 60 });
    let start = || {
        let setup = stage.stub_host().flag("--max-vms", VMS).flag("--cpus", CPUS);
        setup.flag("--memory", MEMORY_MIB).start()
    };
    let mut host = start().await?;
    let over = Arc::new(AtomicBool::new(false));
    let mut load = JoinSet::new();
    for number in 0..CLIENTS {
        load.spawn(client(number, stage.directory().to_owned(), host.client(), Arc::clone(&over)));
    }
    let most = Arc::new(Mutex::new(Most::default()));
    let watcher = tokio::task::spawn_blocking({
        let (sight, over, most) = (host.sight(), Arc::clone(&over), Arc::clone(&most));
        move || watch(&sight, &over, &most)
    });
    let mut dice = Dice::new(17);
    let end = Instant::now() + long;
    let mut restarts = 0;
    while Instant::now() < end {
        sleep(Duration::from_millis(300 + dice.below(3000) as u64)).await;
        let in_use = host.client().host().await?.in_use.unwrap_or_default();
        within(&in_use)?;
        if dice.below(3) == 0 {
            host.kill().await?;
            host = start().await?;
            restarts += 1;
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut jobs = 0;
    while let Some(done) = load.join_next().await {
        jobs += done??;
    }
    watcher.await??;
    let most = *most.lock().map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
    ensure!(most.vms > 1, "never more than {} VMs at once: nothing was tried", most.vms);
    ensure!(restarts > 2 && jobs > 10, "{restarts} restarts and {jobs} jobs are no trial");
    all_is_released(&host).await?;
    host.stop().await
}

fn within(in_use: &Budget) -> anyhow::Result<()> {
    let memory = MEMORY_MIB << 20;
    let held = in_use.vms <= VMS && in_use.cpus <= CPUS && in_use.memory_bytes <= memory;
    ensure!(held, "the host says that {in_use:?} are in use");
    Ok(())
}

#[derive(Clone, Copy, Debug, Default)]
struct Most {
    vms: usize,
    memory_bytes: u64,
}

/// Looks again and again, at what the kernel says and not at what kilnd does.
fn watch(sight: &kiln_tests::Sight, over: &AtomicBool, most: &Mutex<Most>) -> anyhow::Result<()> {
    while !over.load(Ordering::Relaxed) {
        let seen = sight.look()?;
        ensure!(seen.vms <= VMS as usize, "{} VMs at once", seen.vms);
        ensure!(seen.groups <= VMS as usize, "{seen:?}");
        ensure!(seen.memory_bytes <= (MEMORY_MIB << 20) + seen.overhead_bytes(), "{seen:?}");
        let mut most = most.lock().map_err(|_| anyhow::anyhow!("the story panicked"))?;
        most.vms = most.vms.max(seen.vms);
        most.memory_bytes = most.memory_bytes.max(seen.memory_bytes);
        drop(most);
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Submits, waits, cancels, as the dice fall.
async fn client(
    number: u64,
    directory: std::path::PathBuf,
    client: Client,
    over: Arc<AtomicBool>,
) -> anyhow::Result<usize> {
    let mut dice = Dice::new(number);
    let mut count = 0;
    while !over.load(Ordering::Relaxed) {
        count += 1;
        let work = Work::new(&directory, &format!("client-{number}-{count}"));
        let work = work.meanwhile(&format!("sleep 0.{}", dice.below(9)));
        let work = if dice.below(4) == 0 { work.with_input().with_output() } else { work };
        let mut spec = work.spec(&client).await??;
        // No VM is given more than the host has.
        let most = std::thread::available_parallelism()?.get().min(3);
        spec.cpus = 1 + u32::try_from(dice.below(most))?;
        spec.memory_bytes = (64 + 64 * dice.below(6) as u64) << 20;
        let job = client.submit(&spec, &work.key).await??;
        if dice.below(4) == 0 {
            sleep(Duration::from_millis(dice.below(800) as u64)).await;
            client.cancel(&job.id).await?;
        }
        let job = client.ended(&job.id).await?;
        let is_cancelled = job.state() == JobState::Cancelled;
        ensure!(work.times_done()? <= 1, "{} was done twice", work.key);
        if !is_cancelled {
            // A job that was begun three times under daemons that were killed is given up.
            let given_up = details(&job).get("step").is_some_and(|step| step == "attempt");
            work.is_true(&client, &job, given_up).await.context("not cancelled")?;
        }
    }
    Ok(count)
}
