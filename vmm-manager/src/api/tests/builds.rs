//! Builds made, found, watched, read and cancelled.

use std::sync::Arc;

use kiln_proto::{
    agent::{
        event,
        v1::{BuildEvent, BuildLog, BuildStep, build_event},
    },
    v1::{self, read_build_log_response::Event},
};
use tokio::sync::watch;
use tonic::{Code, Status};

use super::service::{Running, Service, next, spec, until};
use crate::{
    api::incoming::tests_of_builds::{image_export, pair, words},
    build::{BuildRecord, StepRecord, secrets::SecretKind},
    job::{Outcome, Work},
    log::LogWriter,
    stream::Stream,
};

/// What has no context, so that nothing has to be uploaded for it.
fn build() -> v1::BuildSpec {
    v1::BuildSpec {
        dockerfile: Some(v1::build_spec::Dockerfile::DockerfileInline("FROM scratch".into())),
        exports: vec![image_export("image", v1::ImageExport::default())],
        max_export_bytes: 1 << 20,
        ..v1::BuildSpec::default()
    }
}

fn request(build: v1::BuildSpec) -> v1::CreateBuildRequest {
    let work = Some(v1::job_spec::Work::Build(build));
    let spec = Some(v1::JobSpec { work, ..v1::JobSpec::default() });
    v1::CreateBuildRequest { spec, ..v1::CreateBuildRequest::default() }
}

async fn create(service: &Service, request: v1::CreateBuildRequest) -> Result<v1::Build, Status> {
    Ok(service.builds.clone().create_build(request).await?.into_inner().build.unwrap())
}

async fn get(service: &Service, id: &str) -> Result<v1::Build, Status> {
    let request = v1::GetBuildRequest { id: id.to_owned() };
    Ok(service.builds.clone().get_build(request).await?.into_inner().build.unwrap())
}

fn id(build: &v1::Build) -> &str {
    &build.job.as_ref().unwrap().id
}

fn asked(job: &v1::Job) -> &v1::BuildSpec {
    match &job.spec.as_ref().unwrap().work {
        Some(v1::job_spec::Work::Build(build)) => build,
        other => panic!("{other:?}"),
    }
}

/// A build whose turn has come, its client started.
async fn run(service: &Service) -> (String, Running) {
    let build = create(service, request(build())).await.unwrap();
    let running = service.turn().await;
    running.job.mark_started().await.unwrap();
    (id(&build).to_owned(), running)
}

#[tokio::test]
async fn a_build_is_a_job_of_both_services() {
    let service = Service::start().await;
    let made = create(&service, request(build())).await.unwrap();
    let job = service.create(spec()).await.unwrap();
    let found = get(&service, id(&made)).await.unwrap();
    let text = |job: &v1::Job| match asked(job).dockerfile.clone() {
        Some(v1::build_spec::Dockerfile::DockerfileInline(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(text(found.job.as_ref().unwrap()), "FROM scratch");
    assert_eq!(text(&service.get(id(&made)).await.unwrap()), "FROM scratch");
    let jobs = service.list().await;
    assert_eq!(jobs.len(), 2);
    let listed = jobs.iter().find(|job| job.id == id(&made)).unwrap();
    assert_eq!((&*text(listed), asked(listed).exports.len()), (&b""[..], 1), "long, and left out");
    let no_build = get(&service, &job.id).await.unwrap_err();
    assert_eq!(no_build.code(), Code::NotFound);
    assert!(no_build.message().contains("is another job"), "{no_build}");
    let nothing = get(&service, "x").await.unwrap_err();
    assert!(nothing.message().starts_with("id: "), "{nothing}");

    let through_jobs = v1::CreateJobRequest { spec: request(build()).spec, ..Default::default() };
    let refused = service.client().create_job(through_jobs).await.unwrap_err();
    assert!(refused.message().contains("BuildService"), "{refused}");
    let log = v1::ReadLogRequest { id: id(&made).to_owned(), ..Default::default() };
    let refused = service.client().read_log(log).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("BuildService"), "{refused}");
    let attach = v1::Attach { id: id(&made).to_owned(), offset: 0 };
    let event = Some(v1::attach_job_request::Event::Attach(attach));
    let request = tokio_stream::once(v1::AttachJobRequest { event });
    let refused = service.client().attach_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("BuildService"), "{refused}");
}

#[tokio::test]
async fn only_builds_are_listed_the_newest_first_a_page_at_a_time() {
    let service = Service::start().await;
    let mut made = Vec::new();
    for number in 0..5 {
        let (id, running) = run(&service).await;
        running.end(Outcome::Completed).await;
        made.push(id);
        if number % 2 == 0 {
            service.create(spec()).await.unwrap();
            service.turn().await.end(Outcome::Cancelled).await;
        }
    }
    made.reverse();
    let mut listed = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = v1::ListBuildsRequest { page_size: 2, page_token, ..Default::default() };
        let page = service.builds.clone().list_builds(request).await.unwrap().into_inner();
        assert!(page.builds.len() <= 2 && page.builds.iter().all(|build| build.graph.is_none()));
        listed.extend(page.builds.iter().map(|build| id(build).to_owned()));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, made);
    let request = v1::ListBuildsRequest { project: "none".to_owned(), ..Default::default() };
    let page = service.builds.clone().list_builds(request).await.unwrap().into_inner();
    assert!(page.builds.is_empty() && page.next_page_token.is_empty());
    let request = v1::ListBuildsRequest { page_size: 1001, ..Default::default() };
    let refused = service.builds.clone().list_builds(request).await.unwrap_err();
    assert!(refused.message().starts_with("page_size: "), "{refused}");
}

#[tokio::test]
async fn a_key_is_for_the_same_build_whatever_its_secrets_are() {
    let service = Service::start().await;
    let keyed = |value: &'static str| {
        let mut spec = build();
        spec.secrets = words(["token"]);
        let secret =
            v1::SecretValue { id: "token".to_owned(), value: value.into(), ssh_key: false };
        let idempotency_key = "key".to_owned();
        v1::CreateBuildRequest { secrets: vec![secret], idempotency_key, ..request(spec) }
    };
    let first = create(&service, keyed("one")).await.unwrap();
    let running = service.turn().await;
    let of_first = |job: &crate::store::JobHandle| {
        let Work::Build(build) = &job.spec().work else { panic!() };
        let held = job.secrets().of(build)?;
        assert_eq!((held[0].kind, &*held[0].id), (SecretKind::Secret, "token"));
        Some(held[0].expose().to_vec())
    };
    assert_eq!(of_first(&running.job).unwrap(), b"one", "there when its turn comes");
    let again = create(&service, keyed("two")).await.unwrap();
    assert_eq!(id(&again), id(&first));
    assert_eq!(of_first(&running.job).unwrap(), b"one", "what is there stays");
    // As after another kilnd has taken it up: who asks again heals it.
    running.job.secrets().forget();
    create(&service, keyed("three")).await.unwrap();
    assert_eq!(of_first(&running.job).unwrap(), b"three");
    running.job.mark_started().await.unwrap();
    running.job.secrets().forget();
    create(&service, keyed("four")).await.unwrap();
    assert_eq!(of_first(&running.job), None, "its guest has them");

    let other = v1::CreateBuildRequest {
        idempotency_key: "key".to_owned(),
        ..request(v1::BuildSpec { build_args: vec![pair("A", "b")], ..build() })
    };
    assert_eq!(create(&service, other).await.unwrap_err().code(), Code::AlreadyExists);
    for shown in [format!("{first:?}"), format!("{:?}", running.job)] {
        assert!(!shown.contains("hunter2"));
    }
    let stored = service.home.path().join("store");
    for file in std::fs::read_dir(stored).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(5).any(|window| window == b"three"), "no value is written down");
    }
}

#[tokio::test]
async fn a_source_that_is_not_there_is_named_by_the_field_that_has_it() {
    let service = Service::start().await;
    let there = service.upload(&[b"a context"]).await.unwrap().source_id;
    let gone = crate::job::SourceId::generate().to_string();
    let from = |id: &str| Some(v1::named_context::From::SourceId(id.to_owned()));
    let named = |name: &str, id: &str| v1::NamedContext { name: name.to_owned(), from: from(id) };
    let reference = Some(v1::named_context::From::Reference("target:a".to_owned()));
    let stage = v1::NamedContext { name: "stage".to_owned(), from: reference };
    let cases = [
        (gone.clone(), vec![], "spec.build.context_source_id: "),
        (
            there.clone(),
            vec![named("a", &there), stage, named("b", &gone)],
            "spec.build.contexts[2].source_id: ",
        ),
        (String::new(), vec![named("b", &gone)], "spec.build.contexts[0].source_id: "),
    ];
    for (context_source_id, contexts, field) in cases {
        let wrong = v1::BuildSpec { context_source_id, contexts, ..build() };
        let refused = create(&service, request(wrong)).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(field), "{refused}");
    }
    let much = v1::BuildSpec { max_export_bytes: 5 << 30, ..build() };
    let refused = create(&service, request(much)).await.unwrap_err();
    assert!(refused.message().starts_with("spec.build.max_export_bytes: "), "{refused}");
    assert!(service.list().await.is_empty());
    assert_eq!(service.forget_unused_sources(), 1, "what was refused holds nothing");
}

fn step(number: u32, completed: bool) -> StepRecord {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(number));
    StepRecord {
        number,
        digest: format!("sha256:{number:064}"),
        name: format!("[{number}/2] RUN"),
        inputs: (1..number).collect(),
        started_at: Some(at),
        completed_at: completed.then_some(at),
        cached: number == 1,
        error: None,
    }
}

fn record(steps: Vec<StepRecord>) -> Arc<BuildRecord> {
    Arc::new(BuildRecord { steps, ..BuildRecord::default() })
}

#[tokio::test]
async fn a_build_is_watched_with_its_steps_to_its_end() {
    let service = Service::start().await;
    let (id, running) = run(&service).await;
    let request = v1::WatchBuildRequest { id: id.clone() };
    let mut watched = service.builds.clone().watch_build(request).await.unwrap().into_inner();
    let first = next(&mut watched).await.unwrap().unwrap().build.unwrap();
    assert!(first.graph.is_none() && first.result.is_none());
    let (live, receiver) = watch::channel(record(vec![step(1, true)]));
    running.job.set_build(Some(receiver));
    let one = next(&mut watched).await.unwrap().unwrap().build.unwrap();
    assert_eq!(one.graph.unwrap().steps.len(), 1);
    // Faster than anybody reads: told together.
    for more in 2..500 {
        live.send_replace(record((1..=more).map(|number| step(number, false)).collect()));
    }
    live.send_replace(record(vec![step(1, true), step(2, true)]));
    let (mut answers, mut last) = (0, 0);
    while last != 2 {
        let build = next(&mut watched).await.unwrap().unwrap().build.unwrap();
        last = build.graph.as_ref().unwrap().steps.len();
        answers += 1;
    }
    assert!(answers < 20, "{answers}");
    let graph = get(&service, &id).await.unwrap().graph.unwrap();
    assert_eq!((graph.executed, graph.cached), (1, 1));
    assert_eq!(graph.steps[1].inputs, [1]);

    let mut kept = BuildRecord::clone(&record(vec![step(1, true), step(2, true)]));
    kept.cache_key = "sha256:0".to_owned();
    kept.context_bytes = 7;
    running.job.record_build(Arc::new(kept)).await.unwrap();
    running.job.set_build(None);
    running.command_over().await;
    running.end(Outcome::Completed).await;
    let mut last = None;
    while let Some(answer) = next(&mut watched).await {
        last = answer.unwrap().build;
    }
    let last = last.unwrap();
    assert_eq!(last.job.as_ref().unwrap().state(), v1::JobState::Completed);
    assert_eq!((last.graph.unwrap().steps.len(), last.result.unwrap().context_bytes), (2, 7));
    let found = get(&service, &id).await.unwrap();
    assert_eq!(found.graph.unwrap().steps.len(), 2, "from its record");
}

async fn say(log: &mut LogWriter, event: build_event::Event) {
    let mut frame = Vec::new();
    event::append(&BuildEvent { event: Some(event) }, &mut frame);
    log.append(Stream::Stdout, &frame).await.unwrap();
}

fn of_step(number: u32) -> build_event::Event {
    let name = format!("step {number}");
    build_event::Event::Step(BuildStep { number, name, ..BuildStep::default() })
}

fn output(step: u32, text: &str) -> build_event::Event {
    let data = text.to_owned().into();
    build_event::Event::Log(BuildLog { step, stream: 2, data, ..BuildLog::default() })
}

async fn read(service: &Service, id: &str, offset: u64, follow: bool) -> Vec<(u64, Event)> {
    let request = v1::ReadBuildLogRequest { id: id.to_owned(), offset, follow };
    let mut answers = service.builds.clone().read_build_log(request).await.unwrap().into_inner();
    let mut read = Vec::new();
    while let Some(answer) = next(&mut answers).await {
        let v1::ReadBuildLogResponse { next_offset, event } = answer.unwrap();
        read.push((next_offset, event.unwrap()));
    }
    read
}

#[tokio::test]
async fn a_log_is_read_from_any_event_live_and_kept() {
    let service = Service::start().await;
    let (id, running) = run(&service).await;
    let mut log = running.log().await;
    let request = v1::ReadBuildLogRequest { id: id.clone(), offset: 0, follow: true };
    let followed = service.builds.clone().read_build_log(request).await.unwrap();
    let mut followed = followed.into_inner();
    say(&mut log, of_step(1)).await;
    let first = next(&mut followed).await.unwrap().unwrap();
    assert!(matches!(first.event, Some(Event::Step(v1::Step { number: 1, .. }))));
    say(&mut log, output(1, "\u{1b}[1mbold\u{1b}[0m \u{1f525}\n")).await;
    say(&mut log, of_step(2)).await;
    let stored = read(&service, &id, 0, false).await;
    assert_eq!(stored.len(), 3, "what there is, without waiting");
    let Event::Log(text) = &stored[1].1 else { panic!("{:?}", stored[1]) };
    assert_eq!((text.step, text.stream()), (1, v1::Stream::Stderr));
    assert_eq!(text.data, "\u{1b}[1mbold\u{1b}[0m \u{1f525}\n".as_bytes());
    for (index, (next_offset, _)) in stored.iter().enumerate() {
        let rest = read(&service, &id, *next_offset, false).await;
        assert_eq!(rest, stored[index + 1..], "from where an earlier answer said");
    }
    let inside = v1::ReadBuildLogRequest { id: id.clone(), offset: 1, follow: false };
    let refused = service.builds.clone().read_build_log(inside).await.unwrap().into_inner();
    let refused = { refused }.message().await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    assert!(refused.message().starts_with("offset: "), "{refused}");
    log.seal().await.unwrap();
    drop(log);
    running.end(Outcome::Cancelled).await;
    let mut rest = Vec::new();
    while let Some(answer) = next(&mut followed).await {
        rest.push(answer.unwrap());
    }
    assert_eq!(rest.len(), 2, "followed to its end");
    assert_eq!(read(&service, &id, 0, true).await, stored);
}

#[tokio::test]
async fn a_build_is_cancelled_in_the_queue_and_while_it_runs() {
    let service = Service::start().await;
    let (id, running) = run(&service).await;
    let queued = create(&service, request(build())).await.unwrap();
    let cancel = |id: &str| {
        let request = v1::CancelBuildRequest { id: id.to_owned() };
        let mut client = service.builds.clone();
        async move { client.cancel_build(request).await.unwrap().into_inner().build.unwrap() }
    };
    cancel(self::id(&queued)).await;
    cancel(&id).await;
    assert!(running.job.cancellation().reason().is_some());
    running.end(Outcome::Cancelled).await;
    let ended = cancel(&id).await;
    assert_eq!(ended.job.unwrap().state(), v1::JobState::Cancelled, "as it is");
    let handle = service.store.find("local", &self::id(&queued).parse().unwrap()).await.unwrap();
    until(|| handle.as_ref().unwrap().has_ended()).await;
}
