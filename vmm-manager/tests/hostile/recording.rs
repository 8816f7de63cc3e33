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
        exec_exited::Status as Exit,
        exec_response::Event,
    },
};
use kiln_vmm_manager::guest::converse;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadHalf, WriteHalf, duplex, split},
    runtime,
};
use tokio_stream::{Stream, StreamExt as _};
use tonic::{Request, Response, Status, Streaming, transport::Server};

use crate::play::conversation;

type Script = dyn Fn() -> Box<dyn Iterator<Item = Event> + Send> + Send + Sync;

/// Answers as its script says.
struct Honest {
    hello: Result<v1::HelloResponse, Status>,
    script: Box<Script>,
}

impl fmt::Debug for Honest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Honest").field("hello", &self.hello).finish_non_exhaustive()
    }
}

#[tonic::async_trait]
impl Agent for Honest {
    type ExecStream = Pin<Box<dyn Stream<Item = Result<v1::ExecResponse, Status>> + Send>>;

    async fn hello(
        &self,
        _: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        self.hello.clone().map(Response::new)
    }

    async fn exec(
        &self,
        _: Request<Streaming<v1::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let answers = (self.script)().map(|event| Ok(v1::ExecResponse { event: Some(event) }));
        Ok(Response::new(Box::pin(tokio_stream::iter(answers))))
    }

    async fn shutdown(
        &self,
        _: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        Ok(Response::new(v1::ShutdownResponse {}))
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
    Event::Started(v1::ExecStarted { pid: 42 })
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
        let agent = Honest { hello: Ok(greeting()), script: Box::new(move || Box::new(script())) };
        tokio::select! {
            result = client(host) => result,
            () = serve(guest, agent) => unreachable!("it waits for another connection"),
        }
    })
}

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}

/// What an agent sends in a whole conversation.
fn record(hello: Result<v1::HelloResponse, Status>, events: Vec<Event>) -> Vec<u8> {
    let script = Box::new(move || -> Box<dyn Iterator<Item = Event> + Send> {
        Box::new(events.clone().into_iter())
    });
    let log = Arc::new(Mutex::new(Vec::new()));
    block_on(async {
        let (host, tapped_host) = duplex(64 * 1024);
        let (guest, tapped_guest) = duplex(64 * 1024);
        let ((from_host, to_host), (from_guest, to_guest)) =
            (split(tapped_host), split(tapped_guest));
        tokio::select! {
            () = async {
                let _ = converse(host, conversation()).await;
                // The trailers come after the last event.
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            } => {}
            () = serve(guest, Honest { hello, script }) => {}
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
    let output = Event::Stdout(Bytes::from_static(b"hello\n"));
    let complaint = Event::Stderr(Bytes::from_static(b"warning\n"));
    record(Ok(greeting()), vec![started(), output, complaint, exited(7)])
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
    let much = (0..4).map(|byte| Event::Stdout(Bytes::from(vec![byte; 10_000])));
    let much = std::iter::once(started()).chain(much).chain([exited(0)]).collect();
    let other = v1::HelloResponse { protocol_version: 2, ..greeting() };
    vec![
        ("exits", exits()),
        ("refused", record(Ok(greeting()), vec![refused])),
        ("full", record(Ok(greeting()), vec![started(), full])),
        ("output", record(Ok(greeting()), much)),
        ("other-version", record(Ok(other), Vec::new())),
        ("version-refused", record(Err(Status::failed_precondition("I speak 2")), Vec::new())),
    ]
}
