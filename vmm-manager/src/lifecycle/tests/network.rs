//! The network of a job: there before its VMM and gone with it, in a kernel that may fail.

use kiln_net::policy::Policy;
use std::sync::Mutex;

use super::{
    AgentWork, Arc, Bench, Duration, FailureClass, Fault, Job, JobHandle, Outcome, Script, Shared,
    Step, Turn, bench_with, class, finish, job, nothing_left,
    restart::{adopted, is_booting, paced, restarted},
};
use crate::{
    network::fake::{Fails, FakeKernel, networks},
    reconcile::sweep,
    store::CancelReason,
    vmm::VmExit,
};

struct Networked {
    bench: Bench,
    kernel: Arc<FakeKernel>,
}

async fn networked(fault: Fault, script: Script) -> Networked {
    let kernel = Arc::new(FakeKernel::default());
    let networks = networks(&kernel).await;
    Networked {
        bench: bench_with(fault, script, Shared { networks: Some(networks), registry: None }),
        kernel,
    }
}

async fn job_with(bench: &Bench, policy: &str) -> Arc<JobHandle> {
    let policy: Policy = policy.parse().unwrap();
    job(bench, |spec| spec.egress = policy).await
}

fn fails(kernel: &FakeKernel, at: Fails) {
    kernel.fails.lock().unwrap().push(at);
}

#[tokio::test]
async fn what_happened_on_the_network_is_on_record_when_the_job_has_ended() {
    for code in [0, 3] {
        let Networked { bench, kernel } = networked(Fault::None, Script::exits(code)).await;
        kernel.refuses("198.51.100.9", 25);
        let job = job_with(&bench, "none").await;
        let ended = tokio::spawn({
            let mut changes = job.watch();
            async move { changes.wait_for(Job::has_ended).await.unwrap().clone() }
        });
        finish(&bench, Arc::clone(&job)).await;
        let egress = ended.await.unwrap().egress.expect("it is said with the end");
        assert_eq!((egress.refusals.len(), &egress.incomplete), (1, &None));
        assert_eq!(job.snapshot().egress, Some(egress));
        assert!(kernel.names().is_empty(), "a network is left");
    }
}

#[tokio::test]
async fn a_job_whose_network_cannot_be_made_fails_and_leaves_nothing() {
    let Networked { bench, kernel } = networked(Fault::None, Script::exits(0)).await;
    fails(&kernel, Fails::Make);
    let job = job_with(&bench, "none").await;
    let outcome = finish(&bench, job).await;
    let Outcome::Failed { failure, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.class, FailureClass::Infrastructure);
    assert_eq!(failure.details.get("step").map(String::as_str), Some("network"));
    assert!(kernel.names().is_empty());
}

#[tokio::test]
async fn every_end_gives_the_network_back() {
    for fault in [Fault::Create, Fault::Boot, Fault::NeverListens, Fault::DiesAtBoot] {
        let Networked { bench, kernel } = networked(fault, Script::exits(0)).await;
        let job = job_with(&bench, "internet").await;
        assert_eq!(class(&finish(&bench, job).await), FailureClass::Infrastructure);
        assert!(kernel.names().is_empty(), "{fault:?}");
    }
    for (fault, slowness, step) in [
        // While it is being made, and at later points.
        (Fault::None, Duration::from_millis(300), Step::Vmm),
        (Fault::CreateHangs, Duration::ZERO, Step::Vmm),
        (Fault::None, Duration::ZERO, Step::Work),
    ] {
        let script = Script { work: AgentWork::Hangs, ..Script::exits(0) };
        let Networked { bench, kernel } = networked(fault, script).await;
        *kernel.slowness.lock().unwrap() = slowness;
        let job = job_with(&bench, "none").await;
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
        assert!(kernel.names().is_empty(), "{fault:?} at {step}");
        canceller.await.unwrap();
    }
}

#[tokio::test]
async fn a_network_that_cannot_be_looked_at_makes_the_record_incomplete_and_no_more() {
    let Networked { bench, kernel } = networked(Fault::None, Script::exits(0)).await;
    fails(&kernel, Fails::Read);
    let job = job_with(&bench, "none").await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert!(job.snapshot().egress.unwrap().incomplete.is_some());
}

#[tokio::test]
async fn who_asks_of_a_job_that_runs_is_told_what_has_happened_so_far() {
    let script = Script { work: AgentWork::Hangs, ..Script::exits(0) };
    let Networked { bench, kernel } = networked(Fault::None, script).await;
    kernel.refuses("198.51.100.9", 25);
    let job = job_with(&bench, "none").await;
    let asked = Arc::new(Mutex::new(None));
    let asking = tokio::spawn({
        let (job, asked) = (Arc::clone(&job), Arc::clone(&asked));
        async move {
            let mut changes = job.watch();
            let works = |job: &Job| job.phases.last().is_some_and(|last| last.step == Step::Work);
            changes.wait_for(works).await.unwrap();
            *asked.lock().unwrap() = job.look().await.egress;
            job.cancel(CancelReason::Asked);
        }
    });
    finish(&bench, job).await;
    asking.await.unwrap();
    assert_eq!(asked.lock().unwrap().as_ref().unwrap().refusals.len(), 1);
}

#[tokio::test]
async fn a_network_is_taken_up_with_its_machine() {
    let script = paced(50_000);
    let Networked { bench, kernel } = networked(Fault::None, script.clone()).await;
    let job = job_with(&bench, "allow=one.test").await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 10_000).await;
    sweep(&bench.host, &bench.store).await;
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert!(job.snapshot().egress.is_some());
    assert!(kernel.names().is_empty());
}

#[tokio::test]
async fn a_machine_whose_network_is_not_proven_is_lost() {
    let script = paced(50_000);
    let Networked { bench, kernel } = networked(Fault::None, script.clone()).await;
    let job = job_with(&bench, "internet").await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 0).await;
    fails(&kernel, Fails::Take);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    let outcome = nothing_left(&bench, &job).await;
    let Outcome::Failed { failure, .. } = &outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.details.get("reason").map(String::as_str), Some("network"));
    assert!(job.snapshot().egress.unwrap().incomplete.is_some(), "of its gateway's record");
    assert!(kernel.names().is_empty());
}

#[tokio::test]
async fn a_lost_machine_and_one_that_is_begun_again_leave_no_network() {
    let script = paced(50_000);
    let Networked { bench, kernel } = networked(Fault::None, script.clone()).await;
    let job = job_with(&bench, "none").await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 0).await;
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(class(&nothing_left(&bench, &job).await), FailureClass::Infrastructure);
    assert!(kernel.names().is_empty());

    let Networked { bench, kernel } = networked(Fault::NeverListens, script.clone()).await;
    let job = job_with(&bench, "none").await;
    let (bench, job) = restarted(bench, job, &script, is_booting).await;
    assert_eq!(kernel.names(), [job.id().as_str()], "its machine might be alive");
    assert_eq!(adopted(&bench, &job).await, Turn::Again);
    assert!(kernel.names().is_empty());
}

#[tokio::test]
async fn what_could_not_be_given_back_is_the_reconcilers() {
    let Networked { bench, kernel } = networked(Fault::None, Script::exits(0)).await;
    fails(&kernel, Fails::Release);
    let job = job_with(&bench, "none").await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    assert_eq!(kernel.names(), [job.id().as_str()]);
    sweep(&bench.host, &bench.store).await;
    assert!(kernel.names().is_empty());
}

#[tokio::test]
async fn a_failure_that_refused_egress_explains_is_told_as_that() {
    let said = b"curl: (7) Failed to connect to 198.51.100.9 port 25: No route to host\n";
    for (code, output, expected) in [
        (7, &said[..], Some(FailureClass::EgressDenied)),
        (7, b"no such file", Some(FailureClass::User)),
        (0, &said[..], None),
    ] {
        let script = Script::exits(code).writing(output);
        let Networked { bench, kernel } = networked(Fault::None, script).await;
        kernel.refuses("198.51.100.9", 25);
        let job = job_with(&bench, "none").await;
        let found = match finish(&bench, job).await {
            Outcome::Failed { failure, exit } => {
                assert_eq!(exit.map(|exit| exit.code), Some(code), "its exit is its own");
                Some(failure.class)
            }
            _ => None,
        };
        assert_eq!(found, expected, "{code} {}", output.escape_ascii());
    }
}
