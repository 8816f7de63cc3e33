//! Builds: begun with what they need and with nothing left, going well or failing in each of their
//! moments, and taken up by the daemon that comes after.

use kiln_proto::agent::{
    event,
    v1::{self, build_event, build_output, disk_refused, disk_response, exec_request::Event},
};

use super::{
    AgentWork, Arc, Bench, Bytes, Duration, FailureClass, Fault, Job, JobHandle, Ordering, Outcome,
    PATIENCE, Script, Shared, Step, TempDir, Turn, Work,
    agent::Engine,
    bench_with, class, finish, job, nothing_left,
    registry::service,
    restart::{adopted, is_booting, restarted},
    run, timeout,
};
use crate::{
    build::{
        samples,
        secrets::{Secret, SecretKind},
    },
    job::{Build, DiskFormat, Export, ExportKind, OutputDisk},
    store::CancelReason,
    vmm::VmExit,
};

struct Yard {
    bench: Bench,
    _registry: TempDir,
}

async fn yard(fault: Fault, script: &Script) -> Yard {
    let directory = tempfile::tempdir().unwrap();
    let registry = Some(service(directory.path()).await);
    let shared = Shared { registry, ..Shared::default() };
    Yard { bench: bench_with(fault, script.clone(), shared), _registry: directory }
}

/// With one secret, and a tree to come of it.
fn asked() -> Build {
    let kind = ExportKind::Tree { platform_split: false };
    Build {
        secrets: vec!["token".to_owned()],
        exports: vec![Export { name: "tree".to_owned(), output: 0, kind }],
        ..samples::build()
    }
}

async fn build(bench: &Bench) -> Arc<JobHandle> {
    let job = job(bench, |spec| {
        spec.work = Work::Build(Box::new(asked()));
        spec.outputs = vec![OutputDisk {
            name: "tree".to_owned(),
            path: "/run/kiln/build/out/tree".to_owned(),
            format: DiskFormat::Raw,
            max_bytes: 1 << 20,
        }];
    })
    .await;
    job.secrets().put(vec![Secret::new(SecretKind::Secret, "token".to_owned(), *b"hunter2")]);
    job
}

/// What an agent says of so many steps that all went well.
fn events(steps: u32) -> Bytes {
    let mut frames = Vec::new();
    let mut say = |event| event::append(&v1::BuildEvent { event: Some(event) }, &mut frames);
    for number in 1..=steps {
        say(build_event::Event::Step(v1::BuildStep {
            number,
            digest: format!("sha256:{number:064x}"),
            name: format!("RUN step {number}"),
            started_unix_nanos: 1,
            completed_unix_nanos: 2,
            ..v1::BuildStep::default()
        }));
        say(build_event::Event::Log(v1::BuildLog {
            step: number,
            stream: 1,
            unix_nanos: 1,
            data: vec![b'x'; 300].into(),
        }));
    }
    say(build_event::Event::Done(v1::BuildDone::default()));
    frames.into()
}

fn building(steps: u32) -> Script {
    Script { output: events(steps), ..Script::exits(0) }
}

fn reason(outcome: &Outcome) -> String {
    let Outcome::Failed { failure, .. } = outcome else { panic!("{outcome:?}") };
    failure.details.get("reason").cloned().unwrap_or_default()
}

fn heard(script: &Script) -> Vec<Event> {
    script.heard.lock().unwrap().clone()
}

fn steps(job: &Job) -> Vec<Step> {
    job.phases.iter().map(|phase| phase.step).collect()
}

#[tokio::test]
async fn a_build_has_its_secrets_before_it_and_leaves_its_tree() {
    let script = building(3);
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    assert_eq!(finish(&bench, Arc::clone(&job)).await, Outcome::Completed);
    let heard = heard(&script);
    let [Event::Part(part), Event::Build(start)] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((part.name.as_str(), &part.data[..]), ("token", &b"hunter2"[..]));
    assert!(!start.resumed);
    assert_eq!(start.outputs[0].kind(), build_output::Kind::Tar);
    let ended = job.snapshot();
    for step in [Step::Engine, Step::Work, Step::Pack, Step::Ingest, Step::Publish] {
        assert!(steps(&ended).contains(&step), "{step}");
    }
    assert_eq!((ended.outputs.len(), ended.outputs[0].size_bytes), (1, 4096));
    let record = ended.build.unwrap();
    assert_eq!((record.steps.len(), record.exported_bytes), (3, 4096));
    assert!(record.cache_key.starts_with("sha256:"), "{record:?}");
    assert!(job.secrets().of(&asked()).is_none(), "nobody has them any more");
}

#[tokio::test]
async fn an_engine_that_does_not_start_says_why() {
    for (engine, expected, words) in [
        (Engine::IsNone, "no_engine", "there is no dockerd"),
        (Engine::Fails, "engine", "no such driver"),
    ] {
        let script = Script { engine, ..building(1) };
        let Yard { bench, _registry } = yard(Fault::None, &script).await;
        let job = build(&bench).await;
        let outcome = finish(&bench, job).await;
        assert_eq!(class(&outcome), FailureClass::Infrastructure);
        assert_eq!(reason(&outcome), expected);
        let Outcome::Failed { failure, .. } = outcome else { unreachable!() };
        assert!(failure.message.contains(words), "{}", failure.message);
        assert_eq!(script.begun.load(Ordering::SeqCst), 0);
    }
}

#[tokio::test]
async fn a_build_is_cancelled_while_its_engine_starts() {
    let script = Script { engine: Engine::Hangs, ..building(1) };
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    let cancelled = Arc::clone(&job);
    tokio::spawn(async move {
        while !steps(&cancelled.snapshot()).contains(&Step::Engine) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancelled.cancel(CancelReason::Asked);
    });
    assert_eq!(finish(&bench, job).await, Outcome::Cancelled);
}

#[tokio::test]
async fn a_cancelled_build_is_killed_and_not_asked() {
    let script = Script { work: AgentWork::Hangs, ..building(1) };
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    let cancelled = Arc::clone(&job);
    tokio::spawn(async move {
        // Forgotten when it is heard that the build runs: what is not known to run is left alone.
        while cancelled.secrets().of(&asked()).is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        cancelled.cancel(CancelReason::Asked);
    });
    assert_eq!(finish(&bench, job).await, Outcome::Cancelled);
    // It is on its way when the job ends.
    let is_killed = || heard(&script).iter().any(|event| matches!(event, Event::Kill(_)));
    for _ in 0..1000 {
        if is_killed() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let heard = heard(&script);
    assert!(heard.iter().any(|event| matches!(event, Event::Kill(_))), "{heard:?}");
    assert!(!heard.iter().any(|event| matches!(event, Event::Signal(_))), "{heard:?}");
}

#[tokio::test]
async fn an_output_that_is_full_leaves_nothing() {
    let refused = v1::DiskRefused {
        reason: disk_refused::Reason::TooLarge.into(),
        message: "1048576 bytes".to_owned(),
    };
    let script = Script { pack: disk_response::Event::Refused(refused), ..building(1) };
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    let outcome = finish(&bench, Arc::clone(&job)).await;
    assert_eq!(class(&outcome), FailureClass::DiskFull);
    assert!(job.snapshot().outputs.is_empty());
    assert!(!bench.host.outputs.directory(job.id()).exists());
}

#[tokio::test]
async fn a_guest_that_tells_no_events_is_no_build() {
    let script = Script::exits(0).writing(b"\x00 is no length");
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    assert_eq!(class(&finish(&bench, job).await), FailureClass::Policy);
}

#[tokio::test]
async fn secrets_that_went_with_a_daemon_are_said_to_be_lost() {
    let script = building(1);
    let Yard { bench, _registry } = yard(Fault::NeverListens, &script).await;
    let job = build(&bench).await;
    let (bench, job) = restarted(bench, job, &script, is_booting).await;
    // Which only a supervisor could end.
    bench.rack.end_all(&VmExit::SupervisorLost);
    assert_eq!(adopted(&bench, &job).await, Turn::Again);
    job.requeue().await.unwrap();
    let turn = timeout(PATIENCE, run(Arc::clone(&bench.host), Arc::clone(&job))).await;
    assert_eq!(turn, Ok(Turn::Over));
    let outcome = nothing_left(&bench, &job).await;
    assert_eq!(class(&outcome), FailureClass::Infrastructure);
    assert_eq!(reason(&outcome), "secrets_lost");
    assert_eq!(script.begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_build_that_runs_is_taken_up_with_all_its_steps_and_no_secret() {
    let script = Script { work: AgentWork::Paced, ..building(60) };
    let Yard { bench, _registry } = yard(Fault::None, &script).await;
    let job = build(&bench).await;
    let (bench, job) = restarted(bench, job, &script, |job| job.log.end_offset > 5_000).await;
    assert!(job.secrets().of(&asked()).is_none());
    let cache_key = job.snapshot().build.unwrap().cache_key.clone();
    assert_eq!(adopted(&bench, &job).await, Turn::Over);
    assert_eq!(nothing_left(&bench, &job).await, Outcome::Completed);
    assert_eq!(script.begun.load(Ordering::SeqCst), 1);
    let heard = heard(&script);
    let Some(Event::Build(start)) = heard.last() else { panic!("{heard:?}") };
    assert!(start.resumed);
    assert_eq!(heard.iter().filter(|event| matches!(event, Event::Part(_))).count(), 1);
    let ended = job.snapshot();
    assert_eq!(ended.log.end_offset, script.output.len() as u64);
    let record = ended.build.unwrap();
    assert_eq!((record.steps.len(), record.cache_key.as_str()), (60, cache_key.as_str()));
}

#[tokio::test]
async fn a_host_without_a_registry_builds_nothing() {
    let script = building(1);
    let bench = bench_with(Fault::None, script.clone(), Shared::default());
    let job = build(&bench).await;
    assert_eq!(reason(&finish(&bench, job).await), "no_registry");
    assert_eq!(script.begun.load(Ordering::SeqCst), 0);
}
