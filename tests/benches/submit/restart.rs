//! The start of a daemon that has much to remember.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use kiln_net::policy::Policy;
use kiln_tests::{Bench, Estimate, HostSetup, median_seconds};
use kiln_vmm_manager::{
    job::{Exec, ExitStatus, Failure, FailureClass, JobSpec, Outcome, Owner, Work},
    store::{Store, Submitted},
};
use tokio::{task::JoinSet, time::sleep};

use super::{DISK_BYTES, LIMIT, MEMORY_BYTES};

const STORED: usize = 100_000;
/// Between two questions whether it answers.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) async fn restart(
    bench: &Bench,
    turns: usize,
) -> anyhow::Result<Vec<(&'static str, Estimate)>> {
    let setup = |name| bench.stage.stub_host().named(name).flag("--keep-jobs", 2 * STORED);
    for name in ["e", "f"] {
        setup(name).start().await?.stop().await?;
    }
    let started = Instant::now();
    fill(&setup("f").home().join("store")).await?;
    let filling = started.elapsed();
    let (mut ratios, mut empty, mut full) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..turns {
        let without = start(setup("e")).await?;
        let with = start(setup("f")).await?;
        ratios.push(with.as_secs_f64() / without.as_secs_f64());
        empty.push(without);
        full.push(with);
    }
    bench.say(&format!(
        "a start with no jobs {:.0} ms, with {STORED} {:.0} ms; they were written in {:.0} s",
        median_seconds(&empty) * 1e3,
        median_seconds(&full) * 1e3,
        filling.as_secs_f64(),
    ));
    Ok(vec![("restart", Estimate::of(&ratios))])
}

/// From the process's start to its first answer.
async fn start(setup: HostSetup<'_>) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let host = setup.doomed()?;
    while host.list_jobs().await.is_err() {
        anyhow::ensure!(started.elapsed() < LIMIT, "kilnd does not answer");
        sleep(PAUSE).await;
    }
    let took = started.elapsed();
    host.stop().await?;
    Ok(took)
}

fn stored() -> JobSpec {
    let exec = Exec {
        argv: vec!["true".to_owned()],
        env: Vec::new(),
        workdir: "/".to_owned(),
        user: String::new(),
        stdin: false,
        terminal: None,
    };
    JobSpec {
        cpus: 1,
        memory_bytes: MEMORY_BYTES,
        disk_bytes: DISK_BYTES,
        timeout: None,
        attach: false,
        work: Work::Exec(exec),
        inputs: Vec::new(),
        outputs: Vec::new(),
        egress: Policy::default(),
    }
}

/// With jobs that have ended.
async fn fill(store: &Path) -> anyhow::Result<()> {
    let (store, _) = Store::open(store)?;
    let owner = Owner { tenant: "local".to_owned(), project: "default".to_owned() };
    let mut jobs = JoinSet::new();
    for _ in 0..STORED {
        let (store, owner) = (Arc::clone(&store), owner.clone());
        jobs.spawn(async move {
            let spec = stored();
            let Submitted::New(job) = store.submit(owner, spec, None).await? else {
                anyhow::bail!("no new job");
            };
            let failure = Failure::new(FailureClass::User, "a job of long ago");
            let exit = Some(ExitStatus::code(1));
            job.end(Outcome::Failed { failure, exit }).detach();
            job.mark_released().await?;
            Ok(())
        });
        if jobs.len() > 1000 {
            jobs.join_next().await.context("no job")???;
        }
    }
    while let Some(done) = jobs.join_next().await {
        done??;
    }
    Ok(store.close(LIMIT).await?)
}
