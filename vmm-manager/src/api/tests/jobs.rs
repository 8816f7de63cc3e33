//! Jobs made, looked at, watched, read and cancelled.

use kiln_proto::v1;
use tonic::Code;

use super::service::{Service, next, spec, with_output, write};
use crate::{
    job::{Failure, FailureClass, Outcome},
    store::CancelReason,
};

#[tokio::test]
async fn the_same_key_is_the_same_job_and_another_request_under_it_is_refused() {
    let service = Service::start().await;
    let first = service.create_with_key(spec(), "key").await.unwrap();
    assert_eq!((first.idempotency_key.as_str(), first.attempt), ("key", 1));
    let again = service.create_with_key(spec(), "key").await.unwrap();
    assert_eq!(again.id, first.id);
    let other = v1::JobSpec { cpus: 2, ..spec() };
    let refused = service.create_with_key(other.clone(), "key").await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains(&first.id), "{refused}");
    let running = service.turn().await;
    running.job.mark_started().await.unwrap();
    running.end(Outcome::Completed).await;
    assert_eq!(service.create_with_key(spec(), "key").await.unwrap().id, first.id);
    assert_eq!(
        service.create_with_key(other, "key").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    assert_eq!(service.list().await.len(), 1);
}

#[tokio::test]
async fn what_could_never_run_or_be_kept_is_refused_by_its_field() {
    let service = Service::start().await;
    let huge = v1::JobSpec { cpus: 9, ..spec() };
    let refused = service.create(huge).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().starts_with("spec.cpus: "), "{refused}");
    let mut greedy = with_output("out");
    greedy.outputs[0].max_bytes = super::service::MOST_OUTPUT_BYTES + 1;
    let refused = service.create(greedy).await.unwrap_err();
    assert!(refused.message().starts_with("spec.outputs: "), "{refused}");
    assert!(service.list().await.is_empty());
}

#[tokio::test]
async fn a_full_queue_and_a_drain_say_when_to_come_back() {
    let service = Service::start().await;
    service.create(spec()).await.unwrap();
    let running = service.turn().await;
    service.create(spec()).await.unwrap();
    let full = service.create(spec()).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted, "{full}");
    assert!(full.metadata().contains_key("grpc-retry-pushback-ms"));
    service.scheduler.drain();
    let mut host = service.host.clone();
    let mut loads = service.scheduler.watch_load();
    loads.wait_for(|load| load.draining).await.unwrap();
    let draining = service.create(spec()).await.unwrap_err();
    assert_eq!(draining.code(), Code::Unavailable, "{draining}");
    assert!(draining.metadata().contains_key("grpc-retry-pushback-ms"));
    let host = host.get_host(v1::GetHostRequest {}).await.unwrap().into_inner();
    assert!(host.draining);
    assert_eq!((host.queued, host.running, host.vmm.as_str()), (1, 1, "hands"));
    assert_eq!(host.instance, "0123abcd");
    assert_eq!((host.total.unwrap().vms, host.in_use.unwrap().vms), (1, 1));
    assert_eq!(service.list().await.len(), 2, "what was refused is not there");
    drop(running);
}

#[tokio::test]
async fn a_watcher_sees_the_place_in_the_queue_and_the_end() {
    let service = Service::start().await;
    service.create(spec()).await.unwrap();
    let first = service.turn().await;
    let waiting = service.create(spec()).await.unwrap();
    let request = v1::WatchJobRequest { id: waiting.id.clone() };
    let mut watched = service.client().watch_job(request).await.unwrap().into_inner();
    let queued = loop {
        let job = next(&mut watched).await.unwrap().unwrap().job.unwrap();
        if job.queue_position > 0 {
            break job;
        }
    };
    assert_eq!((queued.queue_position, queued.waits_for.as_str()), (1, "vms"));
    first.job.mark_started().await.unwrap();
    first.end(Outcome::Completed).await;
    let second = service.turn().await;
    let failure = Failure::new(FailureClass::User, "no").with("reason", "test");
    second.end(failure.into()).await;
    let mut last = queued;
    while let Some(answer) = next(&mut watched).await {
        last = answer.unwrap().job.unwrap();
        assert_eq!(last.queue_position, 0);
    }
    assert_eq!(last.state, i32::from(v1::JobState::Failed));
    assert_eq!(last.failure.unwrap().details["reason"], "test");
}

#[tokio::test]
async fn a_wish_to_end_lasts_and_an_ended_job_stays_as_it_is() {
    let service = Service::start().await;
    let (job, running) = service.run(spec()).await;
    let request = v1::CancelJobRequest { id: job.id.clone() };
    service.client().cancel_job(request.clone()).await.unwrap();
    assert_eq!(running.job.recovery().cancel, Some(CancelReason::Asked));
    assert_eq!(running.job.cancellation().cancelled().await, CancelReason::Asked);
    running.end(Outcome::Cancelled).await;
    let again = service.client().cancel_job(request).await.unwrap().into_inner().job.unwrap();
    assert_eq!(again.state, i32::from(v1::JobState::Cancelled));
    let unknown = v1::CancelJobRequest { id: crate::job::JobId::generate().to_string() };
    assert_eq!(service.client().cancel_job(unknown).await.unwrap_err().code(), Code::NotFound);
}

async fn read(service: &Service, id: &str, offset: u64, follow: bool) -> String {
    let request = v1::ReadLogRequest { id: id.to_owned(), offset, follow };
    let mut answers = service.client().read_log(request).await.unwrap().into_inner();
    let mut text = String::new();
    while let Some(answer) = next(&mut answers).await {
        match answer.unwrap().event.unwrap() {
            v1::read_log_response::Event::Chunk(chunk) => {
                text.push_str(std::str::from_utf8(&chunk.data).unwrap());
            }
            v1::read_log_response::Event::Gap(gap) => panic!("{gap:?}"),
        }
    }
    text
}

#[tokio::test]
async fn a_log_is_followed_before_it_is_there_and_read_when_its_job_is_gone() {
    let service = Service::start().await;
    let job = service.create(spec()).await.unwrap();
    assert_eq!(read(&service, &job.id, 0, false).await, "", "it has none yet");
    let running = service.turn().await;
    let follow = async { read(&service, &job.id, 2, true).await };
    let play = async {
        running.job.mark_started().await.unwrap();
        let mut log = running.log().await;
        write(&mut log, "hello ").await;
        assert_eq!(read(&service, &job.id, 0, false).await, "hello ");
        write(&mut log, "world").await;
        log.seal().await.unwrap();
        drop(log);
        running.end(Outcome::Completed).await
    };
    let (followed, _) = tokio::join!(follow, play);
    assert_eq!(followed, "llo world");
    for follow in [false, true] {
        assert_eq!(read(&service, &job.id, 6, follow).await, "world", "from its files");
    }
    let never = service.create(spec()).await.unwrap();
    service.turn().await.end(Outcome::Cancelled).await;
    assert_eq!(read(&service, &never.id, 0, true).await, "", "it ended before its work");
    assert!(!service.outputs.is_read(&never.id.parse().unwrap()));
}
