//! A client that serves its ssh agent to a build.

use kiln_proto::v1::{self, serve_ssh_request::Event};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use super::service::{Running, Service, next};
use crate::{
    build::ssh::{SshEnd, SshFrame},
    job::Outcome,
};

async fn run(service: &Service, ssh: Vec<v1::SshSource>) -> (String, Running) {
    let build = v1::BuildSpec {
        dockerfile: Some(v1::build_spec::Dockerfile::DockerfileInline("FROM scratch".into())),
        ssh,
        ..v1::BuildSpec::default()
    };
    let work = Some(v1::job_spec::Work::Build(build));
    let spec = Some(v1::JobSpec { work, ..v1::JobSpec::default() });
    let request = v1::CreateBuildRequest { spec, ..v1::CreateBuildRequest::default() };
    let build = service.builds.clone().create_build(request).await.unwrap().into_inner().build;
    (build.unwrap().job.unwrap().id, service.turn().await)
}

static CHUNK: [u8; 60 * 1024] = [1; 60 * 1024];

fn agent() -> Vec<v1::SshSource> {
    vec![v1::SshSource { id: "default".to_owned(), key: false }]
}

struct Served {
    requests: mpsc::Sender<v1::ServeSshRequest>,
    answers: Streaming<v1::ServeSshResponse>,
}

impl Served {
    async fn to(service: &Service, first: Event) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(4);
        requests.send(v1::ServeSshRequest { event: Some(first) }).await.unwrap();
        let answers = service.builds.clone().serve_ssh(ReceiverStream::new(receiver)).await?;
        Ok(Self { requests, answers: answers.into_inner() })
    }

    async fn send(&self, event: Option<Event>) {
        self.requests.send(v1::ServeSshRequest { event }).await.unwrap();
    }
}

fn serve(id: &str) -> Event {
    Event::Serve(v1::ServeSsh { id: id.to_owned() })
}

fn data(connection: u32, data: &'static [u8]) -> Event {
    Event::Data(v1::SshData { connection, data: data.into(), ..v1::SshData::default() })
}

fn frame(connection: u32, id: &str, data: &'static [u8]) -> SshFrame {
    SshFrame { connection, id: id.to_owned(), data: data.into(), closed: false }
}

#[tokio::test]
async fn what_a_guest_asks_is_answered_by_the_client_that_serves() {
    let service = Service::start().await;
    let (id, running) = run(&service, agent()).await;
    let mut served = Served::to(&service, serve(&id)).await.unwrap();
    let SshEnd { mut frames, other } = running.job.ssh().arrival().await;
    other.send(frame(7, "default", b"who are you")).await.unwrap();
    let asked = next(&mut served.answers).await.unwrap().unwrap().data.unwrap();
    assert_eq!((asked.connection, &*asked.ssh_id, asked.closed), (7, "default", false));
    assert_eq!(&asked.data[..], b"who are you");
    served.send(Some(data(7, b"a key"))).await;
    assert_eq!(frames.recv().await, Some(frame(7, "", b"a key")));
    // A new client takes its place, and the last one is told by the end of its stream.
    let mut second = Served::to(&service, serve(&id)).await.unwrap();
    let SshEnd { frames: _, other: to_second } = running.job.ssh().arrival().await;
    drop(other);
    assert!(next(&mut served.answers).await.is_none());
    to_second.send(frame(1, "default", b"x")).await.unwrap();
    assert!(next(&mut second.answers).await.unwrap().is_ok());
    drop(to_second);
    running.end(Outcome::Cancelled).await;
    assert!(next(&mut second.answers).await.is_none(), "over with the build");
    let over = Served::to(&service, serve(&id)).await.err().unwrap();
    assert_eq!(over.code(), Code::FailedPrecondition, "{over}");
}

#[tokio::test]
async fn what_is_wrong_on_the_stream_is_named() {
    let service = Service::start().await;
    let (id, running) = run(&service, agent()).await;
    let refused = Served::to(&service, data(1, b"x")).await.err().unwrap();
    assert!(refused.message().starts_with("serve: must come first"), "{refused}");
    let refused = Served::to(&service, serve("x")).await.err().unwrap();
    assert!(refused.message().starts_with("serve.id: "), "{refused}");
    let named = v1::SshData { connection: 1, ssh_id: "a".to_owned(), ..v1::SshData::default() };
    let large = v1::SshData { data: vec![0; 65 * 1024].into(), ..v1::SshData::default() };
    let cases = [
        (Some(serve(&id)), "serve: comes first, and only first"),
        (None, "event: is missing"),
        (Some(Event::Data(named)), "data.ssh_id: "),
        (Some(Event::Data(large)), "data.data: has 66560 bytes"),
    ];
    for (event, words) in cases {
        let mut served = Served::to(&service, serve(&id)).await.unwrap();
        let _end = running.job.ssh().arrival().await;
        served.send(event).await;
        let refused = next(&mut served.answers).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(words), "{refused}");
    }
    running.end(Outcome::Cancelled).await;
    let (without, running) = run(&service, Vec::new()).await;
    let refused = Served::to(&service, serve(&without)).await.err().unwrap();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("names none"), "{refused}");
    running.end(Outcome::Cancelled).await;
}

/// Neither side runs ahead of the other by more than a few frames.
#[tokio::test]
async fn a_client_that_does_not_read_holds_up_the_guest_alone() {
    let service = Service::start().await;
    let (id, running) = run(&service, agent()).await;
    let served = Served::to(&service, serve(&id)).await.unwrap();
    let SshEnd { mut frames, other } = running.job.ssh().arrival().await;
    // Until nothing goes for a while: the call's buffers are full.
    let pause = std::time::Duration::from_millis(200);
    let mut sent = 0;
    while let Ok(Ok(())) = timeout(pause, other.send(frame(1, "", &CHUNK))).await {
        sent += 1;
        assert!(sent < 500, "bounded");
    }
    served.send(Some(data(2, b"still heard"))).await;
    assert_eq!(frames.recv().await, Some(frame(2, "", b"still heard")));
    running.end(Outcome::Cancelled).await;
}
