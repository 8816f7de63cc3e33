//! A client attached to a job: what it sends, what it gets, and how it comes back.

use std::time::Duration;

use kiln_proto::v1::{self, attach_job_request::Event as Request, attach_job_response::Event};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Streaming};

use super::service::{Running, Service, next, spec, until, write};
use crate::{
    job::{Outcome, TerminalSize},
    store::{Client, ClientEvent, Presence},
};

fn attached(stdin: bool, terminal: bool) -> v1::JobSpec {
    let mut spec = v1::JobSpec { attach: true, ..spec() };
    let Some(v1::job_spec::Work::Exec(exec)) = spec.work.as_mut() else { unreachable!() };
    exec.stdin = stdin;
    exec.terminal = terminal.then_some(v1::TerminalSize { rows: 24, columns: 80 });
    spec
}

/// One attachment, as a client has it.
struct Attachment {
    requests: mpsc::Sender<v1::AttachJobRequest>,
    answers: Streaming<v1::AttachJobResponse>,
}

impl Attachment {
    async fn to(service: &Service, id: &str, offset: u64) -> Self {
        Self::try_to(service, id, offset).await.unwrap()
    }

    async fn try_to(service: &Service, id: &str, offset: u64) -> Result<Self, tonic::Status> {
        let (requests, receiver) = mpsc::channel(4);
        let attach = Request::Attach(v1::Attach { id: id.to_owned(), offset });
        requests.send(v1::AttachJobRequest { event: Some(attach) }).await.unwrap();
        let answers =
            service.client().attach_job(ReceiverStream::new(receiver)).await?.into_inner();
        Ok(Self { requests, answers })
    }

    async fn send(&self, event: Request) {
        self.requests.send(v1::AttachJobRequest { event: Some(event) }).await.unwrap();
    }

    /// The next answer that is no news of the job.
    async fn next(&mut self) -> Event {
        loop {
            match next(&mut self.answers).await.unwrap().unwrap().event.unwrap() {
                Event::Job(_) => {}
                event => return event,
            }
        }
    }

    /// Everything up to the end of the stream: output, and the state that the job had at last.
    async fn rest(mut self) -> (String, i32) {
        let (mut text, mut state) = (String::new(), 0);
        while let Some(answer) = next(&mut self.answers).await {
            match answer.unwrap().event.unwrap() {
                Event::Job(job) => state = job.state,
                Event::Stdout(data) | Event::Stderr(data) => {
                    text.push_str(std::str::from_utf8(&data).unwrap());
                }
                event => panic!("{event:?}"),
            }
        }
        (text, state)
    }

    async fn refusal(mut self) -> tonic::Status {
        loop {
            if let Err(status) = next(&mut self.answers).await.unwrap() {
                return status;
            }
        }
    }
}

async fn arrival(running: &Running) -> Client {
    tokio::time::timeout(super::service::PATIENCE, running.job.attach_point().arrival())
        .await
        .unwrap()
}

#[tokio::test]
async fn stdin_goes_by_offset_output_comes_whole_and_the_end_is_last() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(true, true)).await;
    let mut attachment = Attachment::to(&service, &job.id, 0).await;
    let mut client = arrival(&running).await;
    let mut log = running.log().await;
    write(&mut log, "out").await;
    assert_eq!(attachment.next().await, Event::Stdout("out".into()));
    client.stdin_ready(7);
    assert_eq!(attachment.next().await, Event::StdinReady(v1::StdinTaken { offset: 7 }));
    attachment.send(Request::Stdin("in".into())).await;
    attachment.send(Request::Resize(v1::TerminalSize { rows: 1, columns: 2 })).await;
    attachment.send(Request::Signal(2)).await;
    attachment.send(Request::StdinClosed(v1::StdinClosed {})).await;
    let data = "in".into();
    assert_eq!(client.next().await, Some(ClientEvent::Stdin { offset: 7, data }));
    let size = TerminalSize { rows: 1, columns: 2 };
    assert_eq!(client.next().await, Some(ClientEvent::Resize(size)));
    assert_eq!(client.next().await, Some(ClientEvent::Signal(2)));
    assert_eq!(client.next().await, Some(ClientEvent::StdinClosed { offset: 9 }));
    client.stdin_taken(9);
    assert_eq!(attachment.next().await, Event::StdinTaken(v1::StdinTaken { offset: 9 }));
    write(&mut log, "put").await;
    log.seal().await.unwrap();
    drop(log);
    running.end(Outcome::Completed).await;
    let completed = v1::JobState::Completed.into();
    assert_eq!(attachment.rest().await, ("put".to_owned(), completed));
}

#[tokio::test]
async fn a_client_that_lost_its_connection_comes_back_with_its_offset() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(false, false)).await;
    running.job.attach_point().expect(Duration::from_secs(60));
    let mut attachment = Attachment::to(&service, &job.id, 0).await;
    let mut log = running.log().await;
    write(&mut log, "first ").await;
    assert_eq!(attachment.next().await, Event::Stdout("first ".into()));
    drop(attachment);
    let expected = || matches!(running.job.attach_point().presence(), Presence::Expected { .. });
    until(expected).await;
    write(&mut log, "second ").await;
    let mut again = Attachment::to(&service, &job.id, 3).await;
    assert_eq!(again.next().await, Event::Stdout("st ".into()));
    assert_eq!(again.next().await, Event::Stdout("second ".into()));
    log.seal().await.unwrap();
    drop((again, log));
    running.end(Outcome::Completed).await;
    // And after the job's end too: what it has not seen yet is still there.
    let late = Attachment::to(&service, &job.id, 6).await;
    assert_eq!(late.rest().await, ("second ".to_owned(), v1::JobState::Completed.into()));
}

#[tokio::test]
async fn the_writer_waits_for_an_attached_client_that_does_not_read() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(false, false)).await;
    let attachment = Attachment::to(&service, &job.id, 0).await;
    let mut log = running.log().await;
    let (total, chunk) = (8 << 20, "x".repeat(64 << 10));
    let mut written = 0;
    let mut stalled = false;
    while written < total && !stalled {
        let append = write(&mut log, &chunk);
        stalled = tokio::time::timeout(Duration::from_millis(500), append).await.is_err();
        written += chunk.len();
    }
    assert!(stalled, "{written} bytes went to nobody");
    drop(attachment);
    // Nobody waits for it, so the log goes on by itself.
    tokio::time::timeout(super::service::PATIENCE, write(&mut log, "end")).await.unwrap();
}

#[tokio::test]
async fn a_second_client_takes_the_place_and_the_first_is_told() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(true, false)).await;
    let first = Attachment::to(&service, &job.id, 0).await;
    let _client = arrival(&running).await;
    let second = Attachment::to(&service, &job.id, 0).await;
    let told = first.refusal().await;
    assert_eq!(told.code(), Code::Aborted);
    assert!(told.message().contains("taken this one's place"), "{told}");
    let mut log = running.log().await;
    write(&mut log, "for the second").await;
    log.seal().await.unwrap();
    running.end(Outcome::Cancelled).await;
    let cancelled = v1::JobState::Cancelled.into();
    assert_eq!(second.rest().await, ("for the second".to_owned(), cancelled));
}

#[tokio::test]
async fn a_lost_way_to_the_command_asks_the_client_to_attach_again() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(true, false)).await;
    let attachment = Attachment::to(&service, &job.id, 0).await;
    arrival(&running).await.interrupt();
    let told = attachment.refusal().await;
    assert_eq!(told.code(), Code::Unavailable);
    assert!(told.metadata().contains_key("grpc-retry-pushback-ms"));
}

#[tokio::test]
async fn what_the_job_does_not_take_is_refused_by_its_name() {
    let service = Service::start().await;
    let (job, running) = service.run(attached(false, false)).await;
    let cases = [
        (Request::Stdin("x".into()), "stdin: the job keeps no stdin open"),
        (Request::StdinClosed(v1::StdinClosed {}), "stdin: the job keeps no stdin open"),
        (Request::Resize(v1::TerminalSize { rows: 1, columns: 1 }), "resize: the job has no"),
        (Request::Signal(0), "signal: 0 is no signal"),
        (Request::Attach(v1::Attach::default()), "attach: comes first, and only first"),
    ];
    for (event, words) in cases {
        let attachment = Attachment::to(&service, &job.id, 0).await;
        attachment.send(event).await;
        let refused = attachment.refusal().await;
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(words), "{refused}");
    }
    running.end(Outcome::Cancelled).await;
    let (job, running) = service.run(attached(true, true)).await;
    let early = Attachment::to(&service, &job.id, 0).await;
    early.send(Request::Stdin("x".into())).await;
    assert!(early.refusal().await.message().starts_with("stdin: comes before `stdin_ready`"));
    running.end(Outcome::Cancelled).await;
    let (job, _running) = service.run(spec()).await;
    let refused = Attachment::try_to(&service, &job.id, 0).await.err().unwrap();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

#[tokio::test]
async fn a_job_that_ends_before_it_has_a_log_ends_its_attachment() {
    let service = Service::start().await;
    let job = service.create(attached(true, false)).await.unwrap();
    let attachment = Attachment::to(&service, &job.id, 0).await;
    service.turn().await.end(Outcome::Cancelled).await;
    assert_eq!(attachment.rest().await, (String::new(), v1::JobState::Cancelled.into()));
}
