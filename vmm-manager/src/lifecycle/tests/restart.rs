//! A daemon that dies, and the one that comes after it.

use super::{
    AgentWork, Arc, Bench, Bytes, Duration, FailureClass, Fault, Job, JobHandle, LogEvent,
    Ordering, Outcome, PATIENCE, Script, Shared, Step, Turn, bench, class, job, nothing_left, run,
    start_daemon, timeout,
};
use crate::{
    job::{DiskFormat, OutputDisk},
    reconcile::sweep,
    scheduler::Runner as _,
    store::{CancelReason, LeaseKind},
    vmm::VmExit,
};

pub(super) fn paced(length: usize) -> Script {
    let output: Vec<u8> = (0..length).map(|index| u8::try_from(index % 251).unwrap()).collect();
    Script { work: AgentWork::Paced, output: Bytes::from(output), ..Script::exits(0) }
}

/// Runs the job until it has come so far; then the daemon dies, and another one starts.
pub(super) async fn restarted(
    bench: Bench,
    job: Arc<JobHandle>,
    script: &Script,
    far_enough: impl Fn(&Job) -> bool,
) -> (Bench, Arc<JobHandle>) {
    let running = tokio::spawn(run(Arc::clone(&bench.host), Arc::clone(&job)));
    let reached = async {
        while !far_enough(&job.snapshot()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    bench.rack.daemon_died.store(true, Ordering::SeqCst);
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    again(bench, job, script).await
}

/// The daemon that ran the job is dead, and another one starts.
pub(super) async fn again(
    bench: Bench,
    job: Arc<JobHandle>,
    script: &Script,
) -> (Bench, Arc<JobHandle>) {
    let Bench { host, store, rack, directory } = bench;
    let id = job.id().clone();
    drop(job);
    store.close(PATIENCE).await.unwrap();
    let shared = Shared { networks: host.networks.clone(), registry: host.registry.clone() };
    drop((host, store));
    rack.daemon_died.store(false, Ordering::SeqCst);
    let path = directory.path();
    let (host, store, alive) = start_daemon(path, Fault::None, script.clone(), &rack, shared);
    let [job] = alive.try_into().unwrap();
    assert_eq!(job.id(), &id);
    (Bench { host, store, rack, directory }, job)
}

pub(super) fn is_booting(job: &Job) -> bool {
    job.phases.last().is_some_and(|phase| phase.step == Step::Boot)
}

pub(super) async fn adopted(bench: &Bench, job: &Arc<JobHandle>) -> Turn {
    timeout(PATIENCE, bench.host.adopt(Arc::clone(job))).await.unwrap()
}

pub(super) async fn stored(job: &JobHandle) -> Vec<u8> {
    let mut reader = job.log().unwrap().read_from(0);
    let mut bytes = Vec::new();
    while let Some(event) = reader.next_stored().await.unwrap() {
        let LogEvent::Chunk { data, .. } = event else { panic!("{event:?}") };
        bytes.extend_from_slice(&data);
    }
    bytes
}

#[tokio::test]
async fn a_running_command_is_taken_up_where_the_log_ends() {
    let script = paced(50_000);
    let bench = bench(Fault::None, script.clone());
    let job = job(&bench, |_| {}).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 10_000).await;
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert_eq!(stored(&job).await, script.output, "byte for byte");
    assert_eq!(script.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_lost_machine_is_an_honest_failure() {
    let script = paced(50_000);
    let bench = bench(Fault::None, script.clone());
    let job = job(&bench, |_| {}).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 10_000).await;
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(class(&nothing_left(&bench, &job).await), FailureClass::Infrastructure);
    assert_eq!(script.begun.load(Ordering::SeqCst), 1, "never begun again");
    assert!(job.snapshot().log.end_offset > 10_000, "what there is of its log is on record");
}

#[tokio::test]
async fn a_cancelled_job_whose_machine_is_lost_is_cancelled() {
    let script = paced(50_000);
    let bench = bench(Fault::None, script.clone());
    let job = job(&bench, |_| {}).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 0).await;
    job.request_cancel().await.unwrap();
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Cancelled);
}

#[tokio::test]
async fn work_that_had_not_begun_is_begun_again() {
    let script = paced(0);
    let bench = bench(Fault::NeverListens, script.clone());
    let job = job(&bench, |_| {}).await;
    let (bench, job) = restarted(bench, job, &script, is_booting).await;
    assert_eq!(adopted(&bench, &job).await, Turn::Again);
    assert!(!bench.host.home.vm_directory(job.id()).exists());
    job.requeue().await.unwrap();
    assert_eq!(
        timeout(PATIENCE, run(Arc::clone(&bench.host), Arc::clone(&job))).await,
        Ok(Turn::Over)
    );
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert_eq!(job.snapshot().attempt, 2);
}

#[tokio::test]
async fn a_job_that_was_cancelled_before_the_restart_stays_cancelled() {
    let script = Script { work: AgentWork::Hangs, ..Script::exits(0) };
    let bench = bench(Fault::NeverListens, script.clone());
    let job = job(&bench, |_| {}).await;
    let wish = Arc::clone(&job);
    let (bench, job) = restarted(bench, job, &script, move |job| {
        // Not in time for this daemon to heed it.
        is_booting(job) && {
            wish.request_cancel().detach();
            true
        }
    })
    .await;
    assert_eq!(job.cancellation().reason(), Some(CancelReason::Asked));
    // The fake has no processes that could be found and ended.
    bench.rack.end_all(&VmExit::Stopped);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Cancelled);
}

#[tokio::test]
async fn a_machine_is_left_when_its_jobs_end_is_not_written_down() {
    let script = paced(50_000);
    let bench = bench(Fault::None, script.clone());
    let job = job(&bench, |_| {}).await;
    let running = tokio::spawn(run(Arc::clone(&bench.host), Arc::clone(&job)));
    while job.snapshot().log.end_offset == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    bench.store.close(PATIENCE).await.unwrap();
    assert_eq!(timeout(PATIENCE, running).await.unwrap().unwrap(), Turn::Left);
    assert_eq!(bench.rack.alive(), 1);
    let Bench { host, store, rack, directory } = bench;
    drop((host, store, job));
    let path = directory.path();
    let (host, store, alive) =
        start_daemon(path, Fault::None, script.clone(), &rack, Shared::default());
    let [job] = alive.try_into().unwrap();
    let bench = Bench { host, store, rack, directory };
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert_eq!(stored(&job).await, script.output, "byte for byte");
}

#[tokio::test]
async fn a_lease_that_was_never_given_back_does_not_keep_a_job_for_ever() {
    let bench = bench(Fault::None, Script::exits(0));
    let job = job(&bench, |_| {}).await;
    job.begin_attempt().await.unwrap();
    job.take_lease(LeaseKind::Directory, "vms/x").await.unwrap();
    job.end(Outcome::Cancelled).await.unwrap();
    sweep(&bench.host, &bench.store).await;
    assert_eq!(bench.store.leases_of(job.id()).await.unwrap().len(), 1, "it may hold it still");
    job.mark_released().await.unwrap();
    sweep(&bench.host, &bench.store).await;
    bench.store.forget(job.id()).await.unwrap();
}

#[tokio::test]
async fn outputs_of_which_no_record_speaks_go_with_their_job() {
    let script = paced(50_000);
    let bench = bench(Fault::None, script.clone());
    let output = OutputDisk {
        name: "result".to_owned(),
        path: "/result".to_owned(),
        format: DiskFormat::Tar,
        max_bytes: 1 << 20,
    };
    let job = job(&bench, |spec| spec.outputs = vec![output]).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 0).await;
    let taken_over = bench.host.outputs.path(job.id(), "result");
    std::fs::create_dir(taken_over.parent().unwrap()).unwrap();
    std::fs::write(&taken_over, "half of it").unwrap();
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(class(&nothing_left(&bench, &job).await), FailureClass::Infrastructure);
    assert!(!taken_over.exists());
}
