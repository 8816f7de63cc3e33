//! Every phase, going well, failing, cancelled and cut off by the daemon's death, on a fake VMM with
//! an agent of our own: the outcome is true and nothing is left.

mod agent;
mod builds;
mod fake;
mod network;
mod registry;
mod restart;
mod rootfs;

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use kiln_images::{GuestImage, ImageFile};
use tempfile::TempDir;
use tokio::time::timeout;

use self::{
    agent::{Boot as AgentBoot, Script, Work as AgentWork},
    fake::{FakeVmm, Fault, Rack},
};
use super::{Host, PhaseLimits};
use crate::{
    home::Home,
    job::{Exec, ExitStatus, FailureClass, Job, JobSpec, Outcome, Owner, State, Step, Work},
    log::{ATTACH_WINDOW, LogEvent, LogQuota},
    network::Networks,
    output::Outputs,
    pool::{Numbers, Slot},
    registry::Service,
    scheduler::{Runner as _, Turn},
    source::Sources,
    store::{CancelReason, JobHandle, Report, Store},
};

/// Far beyond what any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    host: Arc<Host>,
    store: Arc<Store>,
    rack: Arc<Rack>,
    directory: TempDir,
}

/// What machines have in common; none of it by default.
#[derive(Clone, Default)]
struct Shared {
    networks: Option<Arc<Networks>>,
    registry: Option<Arc<Service>>,
}

/// On a host without networks.
fn bench(fault: Fault, script: Script) -> Bench {
    bench_with(fault, script, Shared::default())
}

fn bench_with(fault: Fault, script: Script, shared: Shared) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let rack = Arc::new(Rack::default());
    let (host, store, alive) = start_daemon(directory.path(), fault, script, &rack, shared);
    assert!(alive.is_empty());
    Bench { host, store, rack, directory }
}

/// What a daemon's start puts together, over a home that may have been another's.
fn start_daemon(
    directory: &Path,
    fault: Fault,
    script: Script,
    rack: &Arc<Rack>,
    shared: Shared,
) -> (Arc<Host>, Arc<Store>, Vec<Arc<JobHandle>>) {
    let file = |name: &str| ImageFile {
        path: directory.join(name),
        sha256: format!("sha256:{}", "0".repeat(64)),
        size: 0,
    };
    let image = GuestImage {
        architecture: "x86_64".to_owned(),
        kernel: file("vmlinux"),
        kernel_release: "6.12".to_owned(),
        initramfs: file("initramfs.cpio"),
        root: file("root.ext4"),
        tools: file("tools.tar"),
        command_line: String::new(),
        agent_version: "0".to_owned(),
    };
    let short = Duration::from_millis(300);
    let limits = PhaseLimits {
        boot: short,
        hello: short,
        attach: short,
        overrun: short,
        grace: short,
        kill: short,
        ..PhaseLimits::default()
    };
    let home = Home::open(&directory.join("home")).unwrap();
    let slot = Slot::claim(&directory.join("pool"), home.instance(), home.path()).unwrap();
    let (store, alive) = Store::open(&home.store_directory()).unwrap();
    let numbers = Numbers::new(slot);
    for number in alive.iter().filter_map(|job| job.recovery().number) {
        numbers.reserve(number);
    }
    let Shared { networks, registry } = shared;
    let host = Host {
        store: Arc::clone(&store),
        sources: Sources::open(&home.sources_directory(), 1 << 30).unwrap(),
        outputs: Outputs::new(home.jobs_directory()),
        home,
        image,
        vmm: Box::new(FakeVmm::new(fault, script, Arc::clone(rack))),
        cgroups: None,
        numbers,
        vm_users: None,
        networks,
        registry,
        log_quota: LogQuota::default(),
        limits,
    };
    (Arc::new(host), store, alive)
}

async fn job(bench: &Bench, change: impl FnOnce(&mut JobSpec)) -> Arc<JobHandle> {
    let exec = Exec {
        argv: vec!["work".to_owned()],
        env: Vec::new(),
        workdir: String::new(),
        user: String::new(),
        stdin: false,
        terminal: None,
    };
    let mut spec = JobSpec {
        cpus: 1,
        memory_bytes: 256 << 20,
        disk_bytes: 64 << 20,
        timeout: None,
        attach: false,
        work: Work::Exec(exec),
        inputs: Vec::new(),
        outputs: Vec::new(),
        egress: kiln_net::policy::Policy::None,
    };
    change(&mut spec);
    let owner = Owner { tenant: "local".to_owned(), project: "default".to_owned() };
    let submitted = bench.store.submit(owner, spec, None).await.unwrap();
    Arc::clone(submitted.handle())
}

/// As the scheduler does it.
async fn run(host: Arc<Host>, job: Arc<JobHandle>) -> Turn {
    job.begin_attempt().await.unwrap();
    host.run(job).await
}

/// Runs to the end, and holds that nothing of the job is left on the host.
async fn finish(bench: &Bench, job: Arc<JobHandle>) -> Outcome {
    let turn = timeout(PATIENCE, run(Arc::clone(&bench.host), Arc::clone(&job))).await.unwrap();
    assert_eq!(turn, Turn::Over);
    nothing_left(bench, &job).await
}

async fn nothing_left(bench: &Bench, job: &JobHandle) -> Outcome {
    assert!(job.is_released());
    assert_eq!(bench.rack.alive(), 0, "a machine is left");
    assert!(!bench.host.home.vm_directory(job.id()).exists(), "a directory is left");
    assert_eq!(bench.store.leases_of(job.id()).await.unwrap(), [], "a lease is left");
    let State::Ended { outcome, .. } = job.snapshot().state else { panic!("it has not ended") };
    outcome
}

async fn outcome(fault: Fault, script: Script) -> Outcome {
    let bench = bench(fault, script);
    let job = job(&bench, |_| {}).await;
    finish(&bench, job).await
}

fn class(outcome: &Outcome) -> FailureClass {
    let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?} is no failure") };
    failure.class
}

#[tokio::test]
async fn a_command_that_succeeds_completes_its_job_with_its_whole_log() {
    let bench = bench(Fault::None, Script::exits(0).writing(b"hello"));
    let job = job(&bench, |_| {}).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert_eq!(job.snapshot().log.end_offset, 5);
    let steps: Vec<_> = job.snapshot().phases.iter().map(|phase| phase.step).collect();
    let expected = [Step::Queue, Step::Disks, Step::Vmm, Step::Boot, Step::Hello, Step::Work];
    assert_eq!(steps.strip_prefix(&[Step::Queue]).unwrap_or(&steps), &expected[1..]);
}

#[tokio::test]
async fn how_a_command_ended_is_told_apart() {
    let Outcome::Failed { failure, exit } = outcome(Fault::None, Script::exits(7)).await else {
        panic!("it failed")
    };
    assert_eq!((failure.class, exit), (FailureClass::User, Some(ExitStatus::code(7))));
    let script = Script { work: AgentWork::OutOfMemory, ..Script::exits(0) };
    assert_eq!(class(&outcome(Fault::None, script).await), FailureClass::Oom);
    let script = Script { work: AgentWork::DiskFull, ..Script::exits(0) };
    assert_eq!(class(&outcome(Fault::None, script).await), FailureClass::DiskFull);
    let script = Script { work: AgentWork::TimedOut, ..Script::exits(0) };
    assert_eq!(outcome(Fault::None, script).await, Outcome::Timeout);
    let script = Script { work: AgentWork::NotFound, ..Script::exits(0) };
    let Outcome::Failed { failure, exit } = outcome(Fault::None, script).await else {
        panic!("it failed")
    };
    assert_eq!((failure.class, exit), (FailureClass::User, Some(ExitStatus::code(127))));
}

#[tokio::test]
async fn a_fault_of_the_host_or_the_guest_is_infrastructure_and_leaves_nothing() {
    for fault in [Fault::Create, Fault::Boot, Fault::NeverListens, Fault::DiesAtBoot] {
        let outcome = outcome(fault, Script::exits(0)).await;
        assert_eq!(class(&outcome), FailureClass::Infrastructure, "{fault:?}: {outcome:?}");
    }
    for work in [AgentWork::Dies, AgentWork::Refuses] {
        let outcome = outcome(Fault::None, Script { work, ..Script::exits(0) }).await;
        assert_eq!(class(&outcome), FailureClass::Infrastructure, "{work:?}: {outcome:?}");
    }
    let script = Script { protocol_version: 99, ..Script::exits(0) };
    assert_eq!(class(&outcome(Fault::None, script).await), FailureClass::Infrastructure);
}

#[tokio::test]
async fn a_guest_that_breaks_the_protocol_fails_as_policy() {
    let script = Script { work: AgentWork::SpeaksOutOfTurn, ..Script::exits(0) };
    assert_eq!(class(&outcome(Fault::None, script).await), FailureClass::Policy);
}

#[tokio::test]
async fn a_command_past_its_limit_ends_with_its_vm_when_the_guest_does_not_end_it() {
    let bench = bench(Fault::None, Script { work: AgentWork::Hangs, ..Script::exits(0) });
    let job = job(&bench, |spec| spec.timeout = Some(Duration::from_millis(50))).await;
    assert_eq!(finish(&bench, job).await, Outcome::Timeout);
}

#[tokio::test]
async fn a_job_can_be_cancelled_in_every_phase() {
    for (fault, step) in [
        (Fault::CreateHangs, Step::Vmm),
        (Fault::NeverListens, Step::Boot),
        (Fault::None, Step::Work),
    ] {
        let bench = bench(fault, Script { work: AgentWork::Hangs, ..Script::exits(0) });
        let job = job(&bench, |_| {}).await;
        let canceller = tokio::spawn({
            let job = Arc::clone(&job);
            async move {
                let mut changes = job.watch();
                let reached = |job: &Job| job.phases.last().is_some_and(|last| last.step == step);
                changes.wait_for(reached).await.unwrap();
                job.cancel(CancelReason::Asked);
            }
        });
        assert_eq!(finish(&bench, job).await, Outcome::Cancelled, "at {step}");
        canceller.await.unwrap();
    }
}

#[tokio::test]
async fn a_shutdown_is_no_cancellation() {
    let bench = bench(Fault::None, Script { work: AgentWork::Hangs, ..Script::exits(0) });
    let job = job(&bench, |_| {}).await;
    job.cancel(CancelReason::Shutdown);
    assert_eq!(class(&finish(&bench, job).await), FailureClass::Infrastructure);
}

#[tokio::test]
async fn an_attached_client_feeds_the_command_and_sees_every_byte() {
    let bench = bench(Fault::None, Script { work: AgentWork::Echoes, ..Script::exits(0) });
    let job = job(&bench, |spec| {
        spec.attach = true;
        let Work::Exec(exec) = &mut spec.work else { panic!() };
        exec.stdin = true;
    })
    .await;
    let client = tokio::spawn(attached_client(Arc::clone(&job), 100));
    assert_eq!(finish(&bench, job).await, Outcome::Completed);
    assert_eq!(
        client.await.unwrap(),
        (0..100_u8).flat_map(|chunk| [chunk; 1000]).collect::<Vec<_>>()
    );
}

/// Sends so many chunks, and returns all that the job has written.
async fn attached_client(job: Arc<JobHandle>, chunks: u8) -> Vec<u8> {
    let mut attached = job.attach_point().attach().unwrap();
    assert!(matches!(attached.reports.next().await, Report::StdinReady { offset: 0 }));
    for chunk in 0..chunks {
        attached.input.stdin(vec![chunk; 1000].into()).await.unwrap();
    }
    attached.input.close_stdin().await.unwrap();
    let mut log = job.watch_log();
    let log = log.wait_for(Option::is_some).await.unwrap().clone().unwrap();
    let mut reader = log.pin(0);
    let mut seen = Vec::new();
    while let Some(event) = reader.next().await.unwrap() {
        let LogEvent::Chunk { data, .. } = event else { panic!("{event:?}") };
        seen.extend_from_slice(&data);
    }
    seen
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_a_cancelled_job() {
    let script = Script { work: AgentWork::Floods, ..Script::exits(0) };
    let bench = bench(Fault::None, script);
    let job = job(&bench, |spec| spec.attach = true).await;
    let attached = job.attach_point().attach().unwrap();
    let canceller = tokio::spawn({
        let job = Arc::clone(&job);
        async move {
            let mut log = job.watch_log();
            let log = log.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            let never_read = log.pin(0);
            while log.summary().end_offset < ATTACH_WINDOW {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            let end = log.summary().end_offset;
            assert!(end < 2 * ATTACH_WINDOW, "the writer went on to {end}");
            job.cancel(CancelReason::Asked);
            never_read
        }
    });
    assert_eq!(finish(&bench, job).await, Outcome::Cancelled);
    canceller.await.unwrap();
    drop(attached);
}

#[tokio::test]
async fn nobody_attaching_is_told_so() {
    let bench = bench(Fault::None, Script::exits(0));
    let job = job(&bench, |spec| spec.attach = true).await;
    assert_eq!(class(&finish(&bench, job).await), FailureClass::User);
}

#[tokio::test]
async fn a_machine_that_stands_still_is_told_so() {
    let bench = bench(Fault::Stalls, Script { work: AgentWork::Hangs, ..Script::exits(0) });
    let job = job(&bench, |_| {}).await;
    let outcome = finish(&bench, job).await;
    let Outcome::Failed { failure, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.details.get("reason").map(String::as_str), Some("stalled"));
}
