//! The scheduler, with a runner that remembers and does as it is told.

mod fake;

use std::{collections::HashSet, sync::Arc, time::Duration};

use kiln_net::policy::Ceiling;
use tempfile::TempDir;
use tokio::time::timeout;

use self::fake::{FakeRunner, Order};
use super::*;
use crate::{
    admission::Network,
    job::{FailureClass, Job, Outcome, State},
    store::samples::{owner, spec},
};

const PATIENCE: Duration = Duration::from_secs(60);
const TOTAL: Budget = Budget { cpus: 2, memory_bytes: 4 << 30, disk_bytes: 4 << 30, vms: 2 };

struct Bench {
    scheduler: Scheduler,
    store: Arc<Store>,
    runner: Arc<FakeRunner>,
    directory: Arc<TempDir>,
}

fn bench(order: Order, max_queued: usize) -> Bench {
    reopened(Arc::new(tempfile::tempdir().unwrap()), order, max_queued, TOTAL)
}

fn reopened(directory: Arc<TempDir>, order: Order, max_queued: usize, total: Budget) -> Bench {
    reopened_with(directory, order, max_queued, total, Network::Absent)
}

fn reopened_with(
    directory: Arc<TempDir>,
    order: Order,
    max_queued: usize,
    total: Budget,
    network: Network,
) -> Bench {
    let (store, recovered) = Store::open(&directory.path().join("store")).unwrap();
    let runner = Arc::new(FakeRunner::new(order));
    let scheduler = Scheduler::start(
        Arc::clone(&runner) as Arc<dyn Runner>,
        Arc::clone(&store),
        total,
        network,
        max_queued,
        recovered,
    );
    Bench { scheduler, store, runner, directory }
}

impl Bench {
    async fn submit(&self) -> Arc<JobHandle> {
        self.scheduler.submit(owner("a"), spec("x"), None).await.unwrap()
    }

    /// As a daemon that is killed: nothing more is written, and nobody is told.
    async fn kill(self) -> Arc<TempDir> {
        self.store.close(PATIENCE).await.unwrap();
        self.directory
    }

    async fn load(&self, reached: impl FnMut(&Load) -> bool) -> Load {
        let mut load = self.scheduler.watch_load();
        let reached = timeout(PATIENCE, load.wait_for(reached)).await;
        *reached.unwrap_or_else(|_| panic!("{:?}", self.scheduler.load())).unwrap()
    }
}

async fn until(job: &JobHandle, reached: impl FnMut(&Job) -> bool) -> Job {
    let mut changes = job.watch();
    let job = timeout(PATIENCE, changes.wait_for(reached)).await.unwrap().unwrap();
    job.clone()
}

async fn outcome(job: &JobHandle) -> Outcome {
    match until(job, Job::has_ended).await.state {
        State::Ended { outcome, .. } => outcome,
        state => panic!("{state:?}"),
    }
}

#[tokio::test]
async fn jobs_run_within_the_budget_and_wait_with_a_place() {
    let bench = bench(Order::Hold, 10);
    let mut jobs = Vec::new();
    for _ in 0..5 {
        jobs.push(bench.submit().await);
    }
    let load = bench.load(|load| load.running == 2).await;
    assert_eq!((load.queued, load.in_use.cpus, load.in_use.vms), (3, 2, 2));
    let place = until(&jobs[4], |job| job.place.is_some_and(|place| place.position == 3)).await;
    assert_eq!(place.place.unwrap().waits_for, crate::job::WaitsFor::Vms);
    bench.runner.finish(jobs[0].id());
    until(&jobs[4], |job| job.place.is_some_and(|place| place.position == 2)).await;
    for job in &jobs {
        bench.runner.finish(job.id());
        assert_eq!(outcome(job).await, Outcome::Completed);
    }
    let load = bench.load(|load| load.running == 0).await;
    assert_eq!((load.queued, load.in_use), (0, Budget::default()));
    assert!(bench.runner.most() <= 2);
}

#[tokio::test]
async fn a_full_queue_refuses_but_knows_its_own() {
    let bench = bench(Order::Hold, 1);
    let key = |key: &str| Some(key.to_owned());
    let submit = |name: &'static str| bench.scheduler.submit(owner("a"), spec("x"), key(name));
    let first = submit("1").await.unwrap();
    bench.load(|load| load.running == 1).await;
    submit("2").await.unwrap();
    bench.load(|load| load.running == 2).await;
    submit("3").await.unwrap();
    let refused = submit("4").await.unwrap_err();
    assert!(matches!(refused, Refused::QueueFull(QueueFull { limit: 1 })), "{refused}");
    assert_eq!(submit("1").await.unwrap().id(), first.id());
    let reused = bench.scheduler.submit(owner("a"), spec("y"), key("1")).await.unwrap_err();
    assert!(matches!(reused, Refused::NotStored(SubmitError::KeyReused { .. })), "{reused}");
    let mut large = spec("x");
    large.cpus = 3;
    let refused = bench.scheduler.submit(owner("a"), large, None).await.unwrap_err();
    assert!(
        matches!(&refused, Refused::NotAdmitted(why) if why.field() == "spec.cpus"),
        "{refused}"
    );
    bench.scheduler.drain();
    bench.load(|load| load.draining).await;
    assert!(matches!(submit("5").await, Err(Refused::Draining)));
    assert_eq!(submit("1").await.unwrap().id(), first.id());
}

#[tokio::test]
async fn a_job_that_is_cancelled_in_the_queue_never_runs() {
    let bench = bench(Order::Hold, 10);
    let (first, second) = (bench.submit().await, bench.submit().await);
    bench.load(|load| load.running == 2).await;
    let waiting = bench.submit().await;
    waiting.request_cancel().await.unwrap();
    assert_eq!(outcome(&waiting).await, Outcome::Cancelled);
    bench.load(|load| load.queued == 0).await;
    assert!(!bench.runner.began().contains(waiting.id()));
    for job in [first, second] {
        bench.runner.finish(job.id());
        outcome(&job).await;
    }
}

#[tokio::test]
async fn a_job_is_begun_again_so_often_and_no_more() {
    let bench = bench(Order::Again { times: 2 }, 10);
    let job = bench.submit().await;
    assert_eq!(outcome(&job).await, Outcome::Completed);
    assert_eq!(job.snapshot().attempt, 3);

    let bench = self::bench(Order::Again { times: u32::MAX }, 10);
    let job = bench.submit().await;
    let Outcome::Failed { failure, .. } = outcome(&job).await else { panic!("it cannot begin") };
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert_eq!(job.snapshot().attempt, MOST_ATTEMPTS);
    bench.load(|load| load.running == 0).await;
}

#[tokio::test]
async fn a_lifecycle_that_panics_ends_its_job_alone() {
    let bench = bench(Order::Panic, 10);
    let (first, second) = (bench.submit().await, bench.submit().await);
    for job in [&first, &second] {
        assert!(matches!(outcome(job).await, Outcome::Failed { .. }));
        assert!(!job.is_released(), "what it held is the reconciler's");
    }
    bench.load(|load| load.running == 0).await;
}

#[tokio::test]
async fn after_a_restart_what_ran_is_adopted_and_what_waited_waits_in_order() {
    let bench = bench(Order::Hold, 10);
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(bench.submit().await.id().clone());
    }
    bench.load(|load| load.running == 2).await;
    bench.store.find("a", &ids[5]).await.unwrap().unwrap().request_cancel().detach();
    until(&bench.store.find("a", &ids[5]).await.unwrap().unwrap(), Job::has_ended).await;
    for id in &ids[..2] {
        let job = bench.store.find("a", id).await.unwrap().unwrap();
        until(&job, |job| matches!(job.state, State::Running { .. })).await;
    }
    let directory = bench.kill().await;

    // With less to give than is taken.
    let total = Budget { vms: 1, ..TOTAL };
    let bench = reopened(directory, Order::Hold, 10, total);
    let load = bench.load(|load| load.running == 2).await;
    assert_eq!((load.queued, load.in_use.vms), (3, 2), "those that run hold their share");
    timeout(PATIENCE, bench.runner.until(|runner| runner.adopted().len() == 2)).await.unwrap();
    assert_eq!(HashSet::<_>::from_iter(bench.runner.adopted()), ids[..2].iter().cloned().collect());
    assert!(bench.runner.began().is_empty(), "nothing starts above the budget");
    for (index, id) in ids[..5].iter().enumerate() {
        bench.runner.finish(id);
        let job = bench.store.find("a", id).await.unwrap().unwrap();
        assert_eq!(outcome(&job).await, Outcome::Completed, "{index}");
    }
    assert_eq!(bench.runner.began(), ids[2..5]);
}

#[tokio::test]
async fn a_host_that_has_shrunk_below_a_waiting_job_says_so() {
    let bench = bench(Order::Hold, 10);
    bench.scheduler.drain();
    let (store, directory) = (Arc::clone(&bench.store), Arc::clone(&bench.directory));
    let mut large = spec("x");
    large.cpus = 2;
    let id = store.submit(owner("a"), large, None).await.unwrap().handle().id().clone();
    drop(store);
    bench.kill().await;
    let bench = reopened(directory, Order::Hold, 10, Budget { cpus: 1, ..TOTAL });
    let job = bench.store.find("a", &id).await.unwrap().unwrap();
    let Outcome::Failed { failure, .. } = outcome(&job).await else { panic!("it cannot run") };
    assert!(failure.message.contains("spec.cpus"), "{}", failure.message);
}

#[tokio::test]
async fn a_host_that_has_shrunk_below_a_job_that_is_to_begin_again_says_so() {
    let bench = bench(Order::Hold, 10);
    let mut large = spec("x");
    large.cpus = 2;
    let job = bench.scheduler.submit(owner("a"), large, None).await.unwrap();
    until(&job, |job| matches!(job.state, State::Running { .. })).await;
    let id = job.id().clone();
    drop(job);
    let directory = bench.kill().await;
    let total = Budget { cpus: 1, ..TOTAL };
    let bench = reopened(directory, Order::Again { times: 1 }, 10, total);
    let job = bench.store.find("a", &id).await.unwrap().unwrap();
    let Outcome::Failed { failure, .. } = outcome(&job).await else { panic!("it cannot run") };
    assert!(failure.message.contains("spec.cpus"), "{}", failure.message);
    let load = bench.load(|load| load.running == 0).await;
    assert_eq!((load.queued, load.in_use), (0, Budget::default()));
}

#[tokio::test]
async fn while_it_drains_nothing_starts_and_what_waits_stays() {
    let bench = bench(Order::Hold, 10);
    let (first, second) = (bench.submit().await, bench.submit().await);
    bench.load(|load| load.running == 2).await;
    let waiting = bench.submit().await;
    bench.scheduler.drain();
    for job in [&first, &second] {
        bench.runner.finish(job.id());
        outcome(job).await;
    }
    timeout(PATIENCE, bench.scheduler.idle()).await.unwrap();
    assert!(waiting.is_queued());
    assert_eq!(bench.runner.began().len(), 2);
}

#[tokio::test]
async fn a_shutdown_ends_what_runs_and_keeps_what_waits() {
    let bench = bench(Order::UntilCancelled, 10);
    let jobs = [bench.submit().await, bench.submit().await, bench.submit().await];
    bench.load(|load| load.running == 2).await;
    timeout(PATIENCE, bench.runner.until(|runner| runner.began().len() == 2)).await.unwrap();
    timeout(PATIENCE, bench.scheduler.shut_down()).await.unwrap();
    assert!(jobs[0].is_released() && jobs[1].is_released() && jobs[2].is_queued());
}

#[tokio::test]
async fn a_job_that_waited_above_a_ceiling_that_was_lowered_fails_and_says_so() {
    let up_to = |widest: &str| {
        Network::UpTo(Ceiling { widest: widest.parse().unwrap(), endpoints: Vec::new() })
    };
    let directory = Arc::new(tempfile::tempdir().unwrap());
    let bench = reopened_with(directory, Order::Hold, 10, TOTAL, up_to("internet"));
    let asking = || JobSpec { egress: "allow=one.test".parse().unwrap(), ..spec("x") };
    let submit = || bench.scheduler.submit(owner("a"), asking(), None);
    submit().await.unwrap();
    submit().await.unwrap();
    bench.load(|load| load.running == 2).await;
    let waiting = submit().await.unwrap().id().clone();
    let directory = bench.kill().await;
    let bench = reopened_with(directory, Order::Hold, 10, TOTAL, up_to("allow=two.test"));
    let job = bench.store.find("a", &waiting).await.unwrap().unwrap();
    let Outcome::Failed { failure, .. } = outcome(&job).await else { panic!("it ran") };
    assert!(failure.message.contains("spec.egress.rules one.test:443 is beyond"), "{failure:?}");
    bench.runner.until(|runner| runner.adopted().len() == 2).await;
}
