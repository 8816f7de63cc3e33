//! What it takes to bring a build's context to its host, in ratios of times.
//!
//! `context` is a context that nobody touched ÷ the same when it came first: its files are looked at
//! and not read, and nothing is sent (goal 0.05). `context_upload` is the first time, read and hashed,
//! read again and sent, kept and flushed by the daemon ÷ `cp -r` of the same directory to the same
//! disk, flushed as well; `context_upload_unflushed` the same ÷ `cp -r` alone, which leaves its bytes
//! in memory. `context_hash` is the first of the two readings ÷ the whole. Turns alternate.

mod send;
mod tree;

use std::{
    fs::File,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_context::{Cache, Choice, Context};
use kiln_tests::{Bench, Estimate, Host, bench, median_seconds};

use self::send::send;

const GOAL: f64 = 0.05;
/// Until a change of a file would show, whatever the file system keeps of its times.
const SETTLED: Duration = Duration::from_millis(2300);

fn main() -> anyhow::Result<()> {
    bench("context", GOAL, |bench| Box::pin(context(bench)))
}

async fn context(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let turns = bench.rounds(5);
    let host = bench.stage.stub_host().named("c").flag("--drain-limit", 0).start().await?;
    let base = tempfile::tempdir_in(bench.stage.directory())?;
    let (from, cache) = (base.path().join("from"), base.path().join("cache"));
    let bytes = tree::make(&from)?;
    let (mut unchanged, mut flushed, mut unflushed) = (Vec::new(), Vec::new(), Vec::new());
    let (mut hashed, mut seconds) = (Vec::new(), [Vec::new(), Vec::new(), Vec::new()]);
    for turn in 0..=turns {
        // Another context each time, all of whose bytes are in memory and on the disk.
        tree::touch(&from, turn)?;
        File::open(&from)?.sync_all()?;
        tokio::time::sleep(SETTLED).await;
        let mut copies = Vec::new();
        let mut sent = None;
        for is_copy in [turn % 2 == 0, turn % 2 != 0] {
            if is_copy {
                copies.push(copy(&from, &base.path().join("copy"))?);
            } else {
                sent = Some(bring(&host, &from, &cache).await?);
            }
        }
        let (first, (plain, durable)) = (sent.context("not sent")?, copies.remove(0));
        let again = bring(&host, &from, &cache).await?;
        ensure!(again.id == first.id && !again.was_sent && first.was_sent, "another source");
        // The first turn warms up.
        if turn > 0 {
            let ratio = |one: Duration, other: Duration| one.as_secs_f64() / other.as_secs_f64();
            unchanged.push(ratio(again.took, first.took));
            flushed.push(ratio(first.took, durable));
            unflushed.push(ratio(first.took, plain));
            hashed.push(ratio(first.identified, first.took));
            for (times, time) in seconds.iter_mut().zip([first.took, durable, again.took]) {
                times.push(time);
            }
        }
    }
    host.stop().await?;
    let [first, durable, again] = seconds.map(|times| median_seconds(&times) * 1e3);
    bench.say(&format!(
        "{} MiB in {} files: first {first:.0} ms, cp flushed {durable:.0} ms, unchanged {again:.1} ms",
        bytes >> 20,
        tree::FILES,
    ));
    Ok(vec![
        ("context", Estimate::of(&unchanged)),
        ("context_upload", Estimate::of(&flushed)),
        ("context_upload_unflushed", Estimate::of(&unflushed)),
        ("context_hash", Estimate::of(&hashed)),
    ])
}

struct Brought {
    id: String,
    was_sent: bool,
    identified: Duration,
    took: Duration,
}

/// As `kiln build` does.
async fn bring(host: &Host, from: &Path, cache: &Path) -> anyhow::Result<Brought> {
    let mut api = host.api().await?;
    let started = Instant::now();
    let (from, cache) = (from.to_owned(), Cache::at(cache.to_owned()));
    let identified = tokio::task::spawn_blocking(move || {
        let mut context = Context::of_build(&from, Choice::Usual, cache)?;
        let identity = context.identify()?;
        anyhow::Ok((context, identity))
    });
    let (context, identity) = identified.await??;
    let identified = started.elapsed();
    let (id, was_sent) = send(&mut api, context, identity).await?;
    Ok(Brought { id, was_sent, identified, took: started.elapsed() })
}

/// Without and with the flush.
fn copy(from: &Path, to: &Path) -> anyhow::Result<(Duration, Duration)> {
    let started = Instant::now();
    let copied = Command::new("cp").arg("-r").arg(from).arg(to).status()?;
    let plain = started.elapsed();
    ensure!(copied.success(), "cp failed");
    rustix::fs::syncfs(File::open(to)?)?;
    let durable = started.elapsed();
    std::fs::remove_dir_all(to)?;
    Ok((plain, durable))
}
