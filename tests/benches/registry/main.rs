//! What the registry of a host costs, in ratios of times, so that less is better. Its registry is a
//! daemon's, with guests that are none; the other one is docker's, as Debian has it, on the same
//! disk. Turns alternate.
//!
//! `push_1`, `push_16`, `pull_1` and `pull_16` are the time for so many clients to send or get
//! blobs of their own ÷ docker's (goal 1.0 each). `hit` is what 95 of 100 small requests for what is
//! stored do not exceed, with a million blobs ÷ with none (1.5). `cold` is an image by way of the
//! mirror, which has none of it, ÷ straight from the same registry outside, both over a link of
//! 1 Gbit/s (1.1); `cold_loopback` the same without that link, where the mirror's disk is in the
//! way. `memory` is the most that the daemon has resident while a blob of 1 GiB comes and goes ÷ of
//! 64 MiB (1.1).

mod blob;
mod cold;
mod connection;
mod fill;
mod hits;
mod link;
mod memory;
mod moves;
mod place;
mod registries;

use kiln_tests::{Bench, Estimate, bench};

use self::registries::Theirs;

const GOAL: f64 = 1.0;
const HIT_GOAL: f64 = 1.5;
const COLD_GOAL: f64 = 1.1;
const MEMORY_GOAL: f64 = 1.1;

fn main() -> anyhow::Result<()> {
    bench("registry", GOAL, |bench| Box::pin(registry(bench)))
}

async fn registry(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let only = std::env::var("KILN_BENCH_ONLY").unwrap_or_default();
    let is_asked = |name: &str| only.is_empty() || only.split(',').any(|one| one == name);
    let mut results = Vec::new();
    let mut tell = |name, estimate: Estimate, goal: Option<f64>| {
        if let Some(goal) = goal {
            let met = if estimate.median <= goal { "met" } else { "missed" };
            bench.say(&format!("{name} {estimate}, goal {goal}: {met}"));
        }
        results.push((name, estimate));
    };
    let theirs = Theirs::start(bench, "theirs").await?;
    if is_asked("moves") {
        for (name, estimate) in moves::moves(bench, &theirs).await? {
            tell(name, estimate, Some(GOAL));
        }
    }
    if is_asked("hit") {
        tell("hit", hits::hits(bench).await?, Some(HIT_GOAL));
    }
    if is_asked("cold") {
        let (over_link, over_loopback) = cold::cold(bench, &theirs).await?;
        tell("cold", over_link, Some(COLD_GOAL));
        tell("cold_loopback", over_loopback, None);
    }
    if is_asked("memory") {
        tell("memory", memory::memory(bench).await?, Some(MEMORY_GOAL));
    }
    theirs.stop().await?;
    Ok(results)
}
