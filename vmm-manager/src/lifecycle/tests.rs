//! Every phase, going well, failing and cancelled, on a fake VMM with an agent of our own: the
//! outcome is true and nothing is left.

mod agent;
mod fake;

use std::{sync::Arc, time::Duration};

use kiln_images::{GuestImage, ImageFile};
use tempfile::TempDir;
use tokio::time::timeout;

use self::{
    agent::{Script, Work as AgentWork},
    fake::{FakeVmm, Fault},
};
use super::{Host, PhaseLimits, run};
use crate::{
    home::Home,
    job::{Exec, ExitStatus, FailureClass, Job, JobSpec, Outcome, Owner, State, Work},
    log::{LogQuota, LogWriter},
    store::{CancelReason, JobHandle},
};

/// Far beyond what any case takes: only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(60);

struct Bench {
    host: Arc<Host>,
    vmm: Arc<fake::Ledger>,
    _directory: TempDir,
}

fn bench(fault: Fault, script: Script) -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| ImageFile {
        path: directory.path().join(name),
        sha256: format!("sha256:{}", "0".repeat(64)),
        size: 0,
    };
    let image = GuestImage {
        architecture: "x86_64".to_owned(),
        kernel: file("vmlinux"),
        kernel_release: "6.12".to_owned(),
        initramfs: file("initramfs.cpio"),
        root: file("root.ext4"),
        command_line: String::new(),
        agent_version: "0".to_owned(),
    };
    let vmm = FakeVmm::new(fault, script);
    let ledger = vmm.ledger();
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
    let home = Home::open(&directory.path().join("home")).unwrap();
    let host = Arc::new(Host { home, image, vmm: Box::new(vmm), limits });
    Bench { host, vmm: ledger, _directory: directory }
}

fn job(bench: &Bench, change: impl FnOnce(&mut JobSpec)) -> (Arc<JobHandle>, LogWriter) {
    let exec = Exec {
        argv: vec!["work".to_owned()],
        env: Vec::new(),
        workdir: String::new(),
        user: String::new(),
        stdin: false,
    };
    let mut spec = JobSpec {
        cpus: 1,
        memory_bytes: 256 << 20,
        disk_bytes: 64 << 20,
        timeout: None,
        attach: false,
        work: Work::Exec(exec),
    };
    change(&mut spec);
    let owner = Owner { tenant: "local".to_owned(), project: "default".to_owned() };
    let job = Job::new(owner, spec);
    let (writer, log) =
        LogWriter::create(bench.host.home.job_directory(&job.id), LogQuota::default());
    (Arc::new(JobHandle::new(job, log)), writer)
}

/// Runs to the end, and holds that nothing of the job is left on the host.
async fn finish(bench: &Bench, job: Arc<JobHandle>, log: LogWriter) -> Outcome {
    timeout(PATIENCE, run(Arc::clone(&bench.host), Arc::clone(&job), log)).await.unwrap();
    assert!(job.is_released());
    assert_eq!(bench.vmm.alive(), 0, "a machine is left");
    assert!(!bench.host.home.vm_directory(job.id()).exists(), "a directory is left");
    let State::Ended { outcome, .. } = job.snapshot().state else { panic!("it has not ended") };
    outcome
}

async fn outcome(fault: Fault, script: Script) -> Outcome {
    let bench = bench(fault, script);
    let (job, log) = job(&bench, |_| {});
    finish(&bench, job, log).await
}

fn class(outcome: &Outcome) -> FailureClass {
    let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?} is no failure") };
    failure.class
}

#[tokio::test]
async fn a_command_that_succeeds_completes_its_job_with_its_whole_log() {
    let bench = bench(Fault::None, Script::exits(0).writing(b"hello"));
    let (job, log) = job(&bench, |_| {});
    assert_eq!(finish(&bench, Arc::clone(&job), log).await, Outcome::Completed);
    assert_eq!(job.snapshot().log.end_offset, 5);
    let steps: Vec<_> = job.snapshot().phases.iter().map(|step| step.name).collect();
    assert_eq!(steps, ["disks", "vmm", "boot", "hello", "work"]);
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
    let (job, log) = job(&bench, |spec| spec.timeout = Some(Duration::from_millis(50)));
    assert_eq!(finish(&bench, job, log).await, Outcome::Timeout);
}

#[tokio::test]
async fn a_job_can_be_cancelled_in_every_phase() {
    for (fault, step) in
        [(Fault::CreateHangs, "vmm"), (Fault::NeverListens, "boot"), (Fault::None, "work")]
    {
        let bench = bench(fault, Script { work: AgentWork::Hangs, ..Script::exits(0) });
        let (job, log) = job(&bench, |_| {});
        let canceller = tokio::spawn({
            let job = Arc::clone(&job);
            async move {
                let mut changes = job.watch();
                let reached = |job: &Job| job.phases.last().is_some_and(|last| last.name == step);
                changes.wait_for(reached).await.unwrap();
                job.cancel(CancelReason::Asked);
            }
        });
        assert_eq!(finish(&bench, job, log).await, Outcome::Cancelled, "at {step}");
        canceller.await.unwrap();
    }
}

#[tokio::test]
async fn a_shutdown_is_no_cancellation() {
    let bench = bench(Fault::None, Script { work: AgentWork::Hangs, ..Script::exits(0) });
    let (job, log) = job(&bench, |_| {});
    job.cancel(CancelReason::Shutdown);
    assert_eq!(class(&finish(&bench, job, log).await), FailureClass::Infrastructure);
}

#[tokio::test]
async fn an_attachment_gets_every_byte_and_its_stdin_arrives() {
    let bench = bench(Fault::None, Script { work: AgentWork::Echoes, ..Script::exits(0) });
    let (job, log) = job(&bench, |spec| {
        spec.attach = true;
        let Work::Exec(exec) = &mut spec.work;
        exec.stdin = true;
    });
    let mut attachment = job.attach().unwrap();
    let client = tokio::spawn(async move {
        for chunk in 0..100_u8 {
            attachment.stdin.send(vec![chunk; 1000].into()).await.unwrap();
            let mut echoed = 0;
            while echoed < 1000 {
                echoed += attachment.output.recv().await.unwrap().1.len();
            }
        }
    });
    assert_eq!(finish(&bench, job, log).await, Outcome::Completed);
    client.await.unwrap();
}

#[tokio::test]
async fn a_client_that_never_reads_does_not_keep_a_cancelled_job() {
    let script = Script { work: AgentWork::Floods, ..Script::exits(0) };
    let bench = bench(Fault::None, script);
    let (job, log) = job(&bench, |spec| spec.attach = true);
    let attachment = job.attach().unwrap();
    let canceller = tokio::spawn({
        let job = Arc::clone(&job);
        async move {
            while job.log().summary().end_offset == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            job.cancel(CancelReason::Asked);
        }
    });
    assert_eq!(finish(&bench, job, log).await, Outcome::Cancelled);
    canceller.await.unwrap();
    drop(attachment);
}

#[tokio::test]
async fn nobody_attaching_is_told_so() {
    let bench = bench(Fault::None, Script::exits(0));
    let (job, log) = job(&bench, |spec| spec.attach = true);
    assert_eq!(class(&finish(&bench, job, log).await), FailureClass::User);
}
