//! What it costs to be durable, in ratios to what the disk and the kernel cost by themselves.
//!
//! `submit` is the time of a durable submit, with many clients at once, ÷ that of one `fdatasync`
//! after another: 1 ÷ the goal of 1.25, since they are committed together. `submit_p99` is the
//! slowest of a hundred ÷ the same, of all those clients, and `submit_p99_alone` that of one client
//! that nobody else disturbs: of many the slowest waits for all the others, which is what many
//! submits cost and not what one does. `restart` is the start of a daemon with a hundred thousand
//! jobs in its store ÷ that of one with none. `reconcile` is the removal of orphans by a daemon ÷
//! killing and unlinking them by hand, the daemon's start not counted. `memory` is what the daemon
//! has ÷ a thousand running jobs, in MiB.

mod restart;
mod stubs;
mod submits;

use std::time::Duration;

use kiln_proto::v1::{ExecSpec, JobSpec, job_spec::Work};
use kiln_tests::{Bench, Estimate, bench};

/// 1 ÷ 1.25: so much less than a flush of its own.
const GOAL: f64 = 0.8;
const LIMIT: Duration = Duration::from_secs(300);
/// The smallest that a job may ask for.
const MEMORY_BYTES: u64 = 16 << 20;
const DISK_BYTES: u64 = 16 << 20;

fn main() -> anyhow::Result<()> {
    bench("submit", GOAL, |bench| Box::pin(submit(bench)))
}

async fn submit(bench: &Bench) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let turns = bench.rounds(5);
    let mut results = submits::submits(bench, turns).await?;
    results.extend(restart::restart(bench, turns).await?);
    results.extend(stubs::stubs(bench, turns.min(3)).await?);
    Ok(results)
}

fn sleeping() -> JobSpec {
    let argv = ["sleep", "86400"].map(str::to_owned).into();
    let work = Work::Exec(ExecSpec { argv, ..ExecSpec::default() });
    JobSpec {
        memory_bytes: MEMORY_BYTES,
        disk_bytes: DISK_BYTES,
        work: Some(work),
        ..JobSpec::default()
    }
}
