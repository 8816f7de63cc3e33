//! Durable submits against the disk's own flushes, in turns.

use std::{
    fs,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use kiln_proto::v1::CreateJobRequest;
use kiln_tests::{Bench, Estimate, Host, median_seconds};
use tokio::task::JoinSet;

use super::sleeping;

const CLIENTS: usize = 64;
const SUBMITS: usize = 40;
/// Of one client.
const ALONE: usize = 400;
const FLUSHES: usize = 200;
/// Like a page of the store's log.
const BLOCK: [u8; 4096] = [1; 4096];

/// Each submit of one turn, slowest last, and how long all of them took.
struct Turn {
    took: Vec<Duration>,
    whole: Duration,
}

pub(super) async fn submits(
    bench: &Bench,
    turns: usize,
) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    // No VM: they wait, so that nothing but the submit is measured.
    let host = bench.stage.stub_host().named("s").flag("--drain-limit", 0).flag("--max-vms", 1);
    let host = host.flag("--max-queued", 1_000_000).start().await?;
    host.client().submit(&sleeping(), "the one that runs").await??;
    let (mut each, mut slowest, mut alone) = (Vec::new(), Vec::new(), Vec::new());
    for turn in 0..=turns {
        let before = flush(bench.stage.directory())?;
        let many = submit(&host, turn, CLIENTS, SUBMITS).await?;
        let one = submit(&host, turn, 1, ALONE).await?;
        let flush = f64::midpoint(before, flush(bench.stage.directory())?);
        // The first turn warms up.
        if turn > 0 {
            each.push(
                many.whole.as_secs_f64() / f64::from(u32::try_from(many.took.len())?) / flush,
            );
            slowest.push(many.p99() / flush);
            alone.push(one.p99() / flush);
            bench.say(&format!(
                "turn {turn}: a flush {:.0} µs; {CLIENTS} clients: {:.0} submits/s, median {:.1} \
                 ms, p99 {:.1} ms; one client: median {:.2} ms, p99 {:.2} ms",
                flush * 1e6,
                f64::from(u32::try_from(many.took.len())?) / many.whole.as_secs_f64(),
                median_seconds(&many.took) * 1e3,
                many.p99() * 1e3,
                median_seconds(&one.took) * 1e3,
                one.p99() * 1e3,
            ));
        }
    }
    host.stop().await?;
    Ok(vec![
        ("submit", Estimate::of(&each)),
        ("submit_p99", Estimate::of(&slowest)),
        ("submit_p99_alone", Estimate::of(&alone)),
    ])
}

impl Turn {
    fn p99(&self) -> f64 {
        self.took[self.took.len() * 99 / 100].as_secs_f64()
    }
}

/// Seconds of one small write that is flushed to the disk before the next. Into a file that is
/// there: one that grows would have the file system's own log flushed as well, which the store's
/// log, once it has its length, does not. The median: where other work takes the processors, the
/// mean would be of that.
fn flush(directory: &Path) -> anyhow::Result<f64> {
    let path = directory.join("flushed");
    let file = fs::File::create(&path)?;
    for at in 0..FLUSHES {
        file.write_all_at(&BLOCK, (at * BLOCK.len()) as u64)?;
    }
    file.sync_all()?;
    let mut took = Vec::with_capacity(FLUSHES);
    for at in 0..FLUSHES {
        let started = Instant::now();
        file.write_all_at(&BLOCK, (at * BLOCK.len()) as u64)?;
        file.sync_data()?;
        took.push(started.elapsed());
    }
    fs::remove_file(path)?;
    Ok(median_seconds(&took))
}

/// Each client has a connection of its own, and sends when it has been answered.
async fn submit(host: &Host, turn: usize, clients: usize, submits: usize) -> anyhow::Result<Turn> {
    let mut connected = Vec::new();
    for _ in 0..clients {
        connected.push(host.api().await?);
    }
    let mut running = JoinSet::new();
    let started = Instant::now();
    for (number, mut api) in connected.into_iter().enumerate() {
        running.spawn(async move {
            let mut took = Vec::with_capacity(submits);
            for submit in 0..submits {
                let request = CreateJobRequest {
                    project: String::new(),
                    spec: Some(sleeping()),
                    idempotency_key: format!("{turn}-{clients}-{number}-{submit}"),
                };
                let started = Instant::now();
                api.create_job(request).await?;
                took.push(started.elapsed());
            }
            anyhow::Ok(took)
        });
    }
    let mut took = Vec::new();
    while let Some(client) = running.join_next().await {
        took.extend(client??);
    }
    let whole = started.elapsed();
    took.sort_unstable();
    Ok(Turn { took, whole })
}
