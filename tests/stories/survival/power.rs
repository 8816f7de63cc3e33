//! The power goes: whatever was acknowledged is there afterwards, and nothing is half.
//!
//! A daemon's writes are recorded while it works, and cut at a thousand places. At each the home is
//! made as it may be found, and opened by the same code that opens it at a daemon's start.

mod found;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_faults::{Order, Plan, PowerLoss, Record, mark, read_records};
use kiln_tests::{Client, Dice, Stage, Story, Work, stories};
use tokio::task::JoinSet;

use self::found::{Known, found};
use super::released::all_is_released;

pub(crate) fn stories() -> Vec<Story> {
    stories![a_thousand_losses_of_power.limit(Duration::from_secs(3600))]
}

const JOBS: usize = 24;

async fn a_thousand_losses_of_power(stage: &Stage) -> anyhow::Result<()> {
    let cuts = 1000;
    let log = stage.directory().join("writes");
    let home = stage.stub_host().home();
    record(stage, &log).await?;
    // What a VM's directory holds is given up with the power.
    let in_vms = |record: &Record| record.path.starts_with(home.join("vms"));
    let records = read_records(&log)?;
    let records: Vec<_> = records.into_iter().filter(|record| !in_vms(record)).collect();
    ensure!(records.len() > 300, "only {} records of {JOBS} jobs", records.len());

    let mut whole = PowerLoss::new(&home);
    for record in &records {
        whole.apply(record);
    }
    let unseen = whole.differences(is_volatile)?;
    ensure!(unseen.is_empty(), "written past the recorder: {unseen:?}");

    let mut disk = PowerLoss::new(&home);
    let mut known = Known::default();
    let mut dice = Dice::new(41);
    let mut next_cut = 0;
    for (number, record) in records.iter().enumerate() {
        disk.apply(record);
        known.learn(record)?;
        while next_cut < cuts && number >= next_cut * records.len() / cuts {
            let order = if next_cut % 2 == 0 { Order::Kept } else { Order::Lost };
            cut(&disk, &known, order, &mut dice)
                .await
                .with_context(|| format!("cut {next_cut}, {order:?}, after record {number}"))?;
            next_cut += 1;
        }
    }
    ensure!(next_cut == cuts, "only {next_cut} cuts were made");
    ensure!(
        known.acknowledged.len() == JOBS,
        "{} jobs were acknowledged",
        known.acknowledged.len()
    );
    Ok(())
}

/// Jobs of all kinds, some at once and some cancelled, under a daemon whose writes are recorded.
async fn record(stage: &Stage, log: &Path) -> anyhow::Result<()> {
    let setup = stage.stub_host();
    let plan = Plan::new(setup.home(), "kilnd-stub", log).recording();
    let host = setup.plan(&plan)?.flag("--keep-jobs", JOBS / 2).start().await?;
    let mut jobs = JoinSet::new();
    for number in 0..JOBS {
        let work = Work::new(stage.directory(), &format!("power-{number}"));
        let work = if number % 3 == 0 { work.with_input().with_output() } else { work };
        jobs.spawn(one(work, host.client(), log.to_owned(), number % 5 == 4));
        if jobs.len() >= 4 {
            jobs.join_next().await.context("no job")???;
        }
    }
    while let Some(done) = jobs.join_next().await {
        done??;
    }
    all_is_released(&host).await?;
    host.stop().await
}

/// Marks in the log what its client knows from then on.
async fn one(
    work: Work,
    client: Client,
    log: std::path::PathBuf,
    cancel: bool,
) -> anyhow::Result<()> {
    let spec = work.spec(&client).await??;
    for input in &spec.inputs {
        mark(&log, &format!("source {}", input.source_id))?;
    }
    let job = client.submit(&spec, &work.key).await??;
    mark(&log, &format!("acknowledged {} {}", job.id, work.key))?;
    if cancel {
        client.cancel(&job.id).await?;
    }
    let job = client.ended(&job.id).await?;
    mark(&log, &format!("ended {} {}", job.id, job.state().as_str_name()))?;
    Ok(())
}

async fn cut(disk: &PowerLoss, known: &Known, order: Order, dice: &mut Dice) -> anyhow::Result<()> {
    let image = disk.cut(order, &mut |below| dice.below(below));
    // In memory: what is synced here is of no interest.
    let directory = tempfile::Builder::new().prefix("kiln-cut-").tempdir_in("/dev/shm")?;
    image.build(directory.path())?;
    found(directory.path(), known).await
}

/// The database's shared memory is mapped, not written, and made anew after a loss of power.
fn is_volatile(path: &Path) -> bool {
    path.starts_with("vms") || path.to_string_lossy().ends_with("-shm")
}
