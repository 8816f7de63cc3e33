//! What an honest agent sends: the real server of the protocol, on a script.

use std::{
    fmt,
    io::Error,
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use kiln_proto::agent::{
    PROTOCOL_VERSION,
    v1::{
        self,
        agent_server::{Agent, AgentServer},
        disk_response::Event as Disk,
        exec_exited::Status as Exit,
        exec_response::Event,
    },
};
use kiln_vmm_manager::guest::{Conversation, converse};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    runtime,
};
use tokio_stream::{Stream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::play::{SEEN_BYTES, SOURCE_BYTES, STDIN_BYTES, conversation, resumed};

type Script = dyn Fn() -> Box<dyn Iterator<Item = Result<Event, Status>> + Send> + Send + Sync;

/// Answers as its script says.
struct Honest {
    hello: Result<v1::HelloResponse, Status>,
    script: Box<Script>,
    unpacks: Vec<Disk>,
    packs: Vec<Disk>,
}

impl fmt::Debug for Honest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Honest").field("hello", &self.hello).finish_non_exhaustive()
    }
}

type DiskStream = tokio_stream::Iter<std::vec::IntoIter<Result<v1::DiskResponse, Status>>>;

fn disk_stream(events: &[Disk]) -> DiskStream {
    let answers = events.iter().map(|event| Ok(v1::DiskResponse { event: Some(event.clone()) }));
    tokio_stream::iter(answers.collect::<Vec<_>>())
}

#[tonic::async_trait]
impl Agent for Honest {
    type ExecStream = Pin<Box<dyn Stream<Item = Result<v1::ExecResponse, Status>> + Send>>;

    type UnpackStream = DiskStream;
    type PackStream = DiskStream;

    async fn unpack(&self, _: Request<v1::UnpackRequest>) -> Result<Response<DiskStream>, Status> {
        Ok(Response::new(disk_stream(&self.unpacks)))
    }

    async fn pack(&self, _: Request<v1::PackRequest>) -> Result<Response<DiskStream>, Status> {
        Ok(Response::new(disk_stream(&self.packs)))
    }

    async fn hello(
        &self,
        _: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        self.hello.clone().map(Response::new)
    }

    async fn exec(
        &self,
        request: Request<Streaming<v1::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let stdin_ended = CancellationToken::new();
        tokio::spawn(listen(request.into_inner(), stdin_ended.clone()));
        let answers = tokio_stream::iter((self.script)()).then(move |event| {
            let stdin_ended = stdin_ended.clone();
            async move {
                // An honest agent takes only what it was sent.
                if matches!(event, Ok(Event::StdinTaken(_))) {
                    stdin_ended.cancelled().await;
                }
                event.map(|event| v1::ExecResponse { event: Some(event) })
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn online(
        &self,
        _: Request<v1::OnlineRequest>,
    ) -> Result<Response<v1::OnlineResponse>, Status> {
        Err(Status::unimplemented("no machine"))
    }

    async fn start_engine(
        &self,
        _request: Request<v1::StartEngineRequest>,
    ) -> Result<Response<v1::StartEngineResponse>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    type RelaySshStream = tokio_stream::wrappers::ReceiverStream<Result<v1::SshFrame, Status>>;

    async fn relay_ssh(
        &self,
        _request: Request<Streaming<v1::SshFrame>>,
    ) -> Result<Response<Self::RelaySshStream>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    async fn shutdown(
        &self,
        _: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        Ok(Response::new(v1::ShutdownResponse {}))
    }
}

/// Hears what a command is told, to the end.
async fn listen(mut requests: Streaming<v1::ExecRequest>, stdin_ended: CancellationToken) {
    while let Ok(Some(request)) = requests.message().await {
        if matches!(request.event, Some(v1::exec_request::Event::StdinClosed(_))) {
            stdin_ended.cancel();
        }
    }
}

async fn serve(stream: DuplexStream, agent: Honest) {
    let once = tokio_stream::once(Ok::<_, Error>(stream));
    let service = AgentServer::new(agent);
    let incoming = once.chain(tokio_stream::pending());
    let _ = Server::builder().add_service(service).serve_with_incoming(incoming).await;
}

fn step(name: &str, monotonic_nanos: u64) -> v1::BootStep {
    v1::BootStep { name: name.to_owned(), monotonic_nanos }
}

fn greeting() -> v1::HelloResponse {
    v1::HelloResponse {
        protocol_version: PROTOCOL_VERSION,
        agent_version: "0.1.0".to_owned(),
        kernel_release: "6.12.63+deb13-cloud-amd64".to_owned(),
        boot_steps: vec![step("init", 600_000_000), step("listening", 900_000_000)],
    }
}

pub(crate) fn started() -> Event {
    Event::Started(v1::ExecStarted { pid: 42, stdin_offset: 0, stdin_closed: false })
}

pub(crate) fn stdout(offset: u64, data: impl Into<Bytes>) -> Event {
    Event::Stdout(v1::OutputChunk { offset, data: data.into() })
}

fn stderr(offset: u64, data: &'static str) -> Event {
    Event::Stderr(v1::OutputChunk { offset, data: data.into() })
}

pub(crate) fn exited(code: i32) -> Event {
    Event::Exited(v1::ExecExited {
        status: Some(Exit::Code(code)),
        memory_peak_bytes: 1 << 20,
        duration_nanos: 1_500_000,
        ..v1::ExecExited::default()
    })
}

/// Lets `client` talk to an agent whose command does what `script` says.
pub(crate) fn honest<I, T>(
    script: impl Fn() -> I + Send + Sync + 'static,
    client: impl AsyncFnOnce(DuplexStream) -> T,
) -> T
where
    I: Iterator<Item = Event> + Send + 'static,
{
    block_on(async move {
        let (host, guest) = duplex(64 * 1024);
        tokio::select! {
            result = client(host) => result,
            () = attend(guest, script) => unreachable!("it waits for another connection"),
        }
    })
}

/// Is an agent whose command does what `script` says, for ever.
pub(crate) async fn attend<I>(guest: DuplexStream, script: impl Fn() -> I + Send + Sync + 'static)
where
    I: Iterator<Item = Event> + Send + 'static,
{
    let script =
        Box::new(move || -> Box<dyn Iterator<Item = _> + Send> { Box::new(script().map(Ok)) });
    let none = Vec::new();
    serve(guest, Honest { hello: Ok(greeting()), script, unpacks: none.clone(), packs: none })
        .await;
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// What an agent sends in a whole conversation with a client that is new to it.
fn record(hello: Result<v1::HelloResponse, Status>, events: Vec<Event>) -> Vec<u8> {
    let events = events.into_iter().map(Ok).collect();
    overheard(conversation(), hello, events, Vec::new(), Vec::new())
}

/// What it sends to one that comes back.
fn record_resumed(
    unpacks: Vec<Disk>,
    events: Vec<Result<Event, Status>>,
    packs: Vec<Disk>,
) -> Vec<u8> {
    overheard(resumed(), Ok(greeting()), events, unpacks, packs)
}

fn overheard(
    conversation: Conversation,
    hello: Result<v1::HelloResponse, Status>,
    events: Vec<Result<Event, Status>>,
    unpacks: Vec<Disk>,
    packs: Vec<Disk>,
) -> Vec<u8> {
    let script = Box::new(move || -> Box<dyn Iterator<Item = _> + Send> {
        Box::new(events.clone().into_iter())
    });
    let agent = Honest { hello, script, unpacks, packs };
    let log = Arc::new(Mutex::new(Vec::new()));
    block_on(async {
        let (host, tapped_host) = duplex(64 * 1024);
        let (guest, tapped_guest) = duplex(64 * 1024);
        let ((from_host, to_host), (from_guest, to_guest)) =
            (split(tapped_host), split(tapped_guest));
        tokio::select! {
            () = async {
                let _ = converse(host, conversation).await;
                // The trailers come after the last event.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            } => {}
            () = serve(guest, agent) => {}
            () = pump(from_host, to_guest, None) => {}
            () = pump(from_guest, to_host, Some(Arc::clone(&log))) => {}
        }
    });
    let log = log.lock().expect("nobody panicked");
    log.clone()
}

async fn pump(
    mut from: ReadHalf<DuplexStream>,
    mut to: WriteHalf<DuplexStream>,
    log: Option<Arc<Mutex<Vec<u8>>>>,
) {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).await.unwrap_or(0);
        if let Some(log) = &log {
            log.lock().expect("nobody panicked").extend_from_slice(&buffer[..length]);
        }
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            // The other direction ends the conversation.
            std::future::pending::<()>().await;
        }
    }
}

/// A command with a little output and an exit.
pub(crate) fn exits() -> Vec<u8> {
    let said = [started(), stdout(0, "hello\n"), stderr(6, "warning\n"), exited(7)];
    record(Ok(greeting()), said.into())
}

/// A command that is taken up, between two disks.
pub(crate) fn goes_on() -> Vec<u8> {
    let progress = |bytes| Disk::Progress(v1::DiskProgress { bytes });
    let done = |length_bytes| Disk::Done(v1::DiskDone { length_bytes });
    let started = v1::ExecStarted { pid: 42, stdin_offset: STDIN_BYTES / 2, stdin_closed: false };
    let events = [
        Event::Started(started),
        stdout(SEEN_BYTES, "on\n"),
        Event::StdinTaken(v1::StdinTaken { offset: STDIN_BYTES }),
        stdout(SEEN_BYTES + 3, "and on\n"),
        exited(0),
    ];
    let unpacks = vec![progress(5000), done(SOURCE_BYTES)];
    record_resumed(unpacks, events.map(Ok).into(), vec![progress(0), progress(300), done(400)])
}

/// Every recording there is, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<u8>)> {
    let refused = Event::Refused(v1::ExecRefused {
        reason: v1::exec_refused::Reason::NotFound.into(),
        message: "no such file or directory".to_owned(),
    });
    let full = Event::Exited(v1::ExecExited {
        status: Some(Exit::Signal(9)),
        out_of_memory: true,
        disk_full: Some(v1::DiskFull { mount: "/".to_owned(), size_bytes: 1 << 30, inodes: true }),
        ..v1::ExecExited::default()
    });
    let much = (0..4).map(|byte| stdout(u64::from(byte) * 10_000, vec![byte; 10_000]));
    let much = std::iter::once(started()).chain(much).chain([exited(0)]).collect();
    let other = v1::HelloResponse { protocol_version: 3, ..greeting() };
    vec![
        ("exits", exits()),
        ("refused", record(Ok(greeting()), vec![refused])),
        ("full", record(Ok(greeting()), vec![started(), full])),
        ("output", record(Ok(greeting()), much)),
        ("other-version", record(Ok(other), Vec::new())),
        ("version-refused", record(Err(Status::failed_precondition("I speak 1")), Vec::new())),
        ("secret-refused", record(Err(Status::permission_denied("not yours")), Vec::new())),
    ]
}

/// Every recording of a client that comes back.
pub(crate) fn all_resumed() -> Vec<(&'static str, Vec<u8>)> {
    let done = |length_bytes| vec![Disk::Done(v1::DiskDone { length_bytes })];
    let refused = Event::Refused(v1::ExecRefused {
        reason: v1::exec_refused::Reason::Agent.into(),
        message: "no such command".to_owned(),
    });
    let disk_refused = vec![Disk::Refused(v1::DiskRefused {
        reason: v1::disk_refused::Reason::Invalid.into(),
        message: "no archive".to_owned(),
    })];
    let forgotten = Status::failed_precondition("output before 2000 is forgotten");
    vec![
        ("resumed", goes_on()),
        ("resumed-refused", record_resumed(done(10), vec![Ok(refused)], done(0))),
        (
            "disk-refused",
            record_resumed(disk_refused.clone(), vec![Ok(started()), Ok(exited(1))], disk_refused),
        ),
        ("forgotten", record_resumed(done(10), vec![Err(forgotten)], done(0))),
    ]
}
