//! What a neighbour feels of a hog: the 95th percentile of round trips through the stdin and stdout
//! of a small job, while another VM takes what it can get ÷ the same while it rests. In turns over
//! the same two VMs, for each hog; the first result is that of the worst of them.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_tests::{Bench, Estimate, Hog, Hogs, Host, Running, bench, median_seconds, p95_seconds};
use tokio::time::sleep;

const GOAL: f64 = 1.5;
/// In a turn.
const TRIPS: usize = 100;
const LINE: &[u8] = b"a line, there and back\n";
/// Sparse, and more than what the hog of disks has of it.
const DISK_MEBIBYTES: u32 = 256;
/// Until a hog has begun to be one.
const RUN_UP: Duration = Duration::from_secs(2);

fn main() -> anyhow::Result<()> {
    bench("neighbour", GOAL, |bench| Box::pin(neighbour(bench)))
}

async fn neighbour(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let host = bench.stage.host().start().await?;
    // As many as there are processors, so that there is something to be taken away.
    let cpus = thread::available_parallelism()?.get();
    let mut hogs = Hogs::start(&host, cpus, DISK_MEBIBYTES).await?;
    let mut neighbour = start(&host).await?;
    // The first turn warms up.
    trips(&mut neighbour).await?;
    let turns = bench.rounds(10);
    let mut ratios = vec![Vec::with_capacity(turns); Hog::ALL.len()];
    let (mut rests, mut works) = (Vec::new(), vec![Vec::new(); Hog::ALL.len()]);
    for turn in 0..turns {
        for (index, hog) in Hog::ALL.into_iter().enumerate() {
            // Whatever else the machine does weighs on both alike.
            let before = if turn % 2 == 0 { Some(trips(&mut neighbour).await?) } else { None };
            let look = async {
                sleep(RUN_UP).await;
                trips(&mut neighbour).await
            };
            let (busy, _) = hogs.during(hog, look).await?;
            let quiet = match before {
                Some(quiet) => quiet,
                None => trips(&mut neighbour).await?,
            };
            ratios[index].push(p95_seconds(&busy) / p95_seconds(&quiet));
            rests.push(Duration::from_secs_f64(p95_seconds(&quiet)));
            works[index].push(Duration::from_secs_f64(p95_seconds(&busy)));
        }
    }
    neighbour.close_stdin();
    let ended = neighbour.finish().await?;
    ensure!(ended.code == Some(0), "{ended}");
    hogs.finish().await?;
    host.vms_are_gone().await?;
    host.stop().await?;
    let milliseconds = |samples: &[Duration]| median_seconds(samples) * 1e3;
    let works: Vec<_> = Hog::ALL
        .iter()
        .zip(&works)
        .map(|(hog, works)| format!("{} {:.1} ms", hog.name(), milliseconds(works)))
        .collect();
    let (rest, works) = (milliseconds(&rests), works.join(", "));
    bench.say(&format!(
        "{turns} turns of {TRIPS}, a hog with {cpus} virtual CPUs; p95 at rest {rest:.1} ms, {works}"
    ));
    let each = Hog::ALL.iter().zip(&ratios).map(|(hog, ratios)| (hog.name(), Estimate::of(ratios)));
    let each: Vec<_> = each.collect();
    let worst = each.iter().max_by(|one, other| one.1.median.total_cmp(&other.1.median));
    let worst = ("neighbour", worst.context("no hog")?.1);
    Ok([worst].into_iter().chain(each).collect())
}

/// A job that says what it is told.
async fn start(host: &Host) -> anyhow::Result<Running> {
    let kiln = host.kiln(["run", "-q", "-i", "--", "cat"]).held_stdin();
    let mut running = kiln.limit(Duration::from_secs(600)).start()?;
    trip(&mut running).await?;
    Ok(running)
}

async fn trips(neighbour: &mut Running) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(TRIPS);
    for _ in 0..TRIPS {
        took.push(trip(neighbour).await?);
    }
    Ok(took)
}

async fn trip(neighbour: &mut Running) -> anyhow::Result<Duration> {
    let started = Instant::now();
    neighbour.feed(LINE).await?;
    let mut back = 0;
    while back < LINE.len() {
        let bytes = neighbour.read().await?;
        ensure!(!bytes.is_empty(), "the neighbour has ended");
        back += bytes.len();
    }
    ensure!(back == LINE.len(), "{back} bytes came back");
    Ok(started.elapsed())
}
