//! An agent that does as its script says, behind the bridge's handshake.

use std::pin::Pin;

use bytes::Bytes;
use kiln_proto::agent::{
    PROTOCOL_VERSION,
    v1::{
        self,
        agent_server::{Agent, AgentServer},
        exec_exited::Status as Exit,
        exec_request,
        exec_response::Event,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::mpsc,
};
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) protocol_version: u32,
    pub(super) output: Bytes,
    pub(super) code: i32,
    pub(super) work: Work,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    Exits,
    OutOfMemory,
    DiskFull,
    TimedOut,
    NotFound,
    Refuses,
    Hangs,
    Dies,
    Echoes,
    Floods,
    SpeaksOutOfTurn,
}

impl Script {
    pub(super) fn exits(code: i32) -> Self {
        let output = Bytes::new();
        Self { protocol_version: PROTOCOL_VERSION, output, code, work: Work::Exits }
    }

    pub(super) fn writing(self, output: &'static [u8]) -> Self {
        Self { output: Bytes::from_static(output), ..self }
    }
}

/// Answers calls until it is aborted.
pub(super) async fn serve(listener: UnixListener, script: Script) {
    loop {
        let Ok((mut stream, _)) = listener.accept().await else { return };
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(_) => break,
            }
        }
        if line.starts_with(b"CONNECT ") && stream.write_all(b"OK 1073741824\n").await.is_ok() {
            speak(stream, script.clone()).await;
        }
    }
}

async fn speak(stream: UnixStream, script: Script) {
    let incoming = tokio_stream::StreamExt::chain(
        tokio_stream::once(Ok::<_, std::io::Error>(stream)),
        tokio_stream::pending(),
    );
    let service = AgentServer::new(Scripted { script });
    let _ = Server::builder().add_service(service).serve_with_incoming(incoming).await;
}

#[derive(Debug)]
struct Scripted {
    script: Script,
}

type Events = mpsc::Sender<Result<v1::ExecResponse, Status>>;

async fn tell(events: &Events, event: Event) -> bool {
    events.send(Ok(v1::ExecResponse { event: Some(event) })).await.is_ok()
}

fn exited(status: Exit) -> v1::ExecExited {
    v1::ExecExited { status: Some(status), ..v1::ExecExited::default() }
}

#[tonic::async_trait]
impl Agent for Scripted {
    type ExecStream = Pin<Box<dyn Stream<Item = Result<v1::ExecResponse, Status>> + Send>>;

    async fn hello(
        &self,
        _: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        Ok(Response::new(v1::HelloResponse {
            protocol_version: self.script.protocol_version,
            agent_version: "scripted".to_owned(),
            kernel_release: "6.12".to_owned(),
            boot_steps: Vec::new(),
        }))
    }

    async fn exec(
        &self,
        request: Request<Streaming<v1::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        if self.script.work == Work::Dies {
            return Err(Status::unavailable("gone"));
        }
        let (events, receiver) = mpsc::channel(1);
        tokio::spawn(work(self.script.clone(), request.into_inner(), events));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn shutdown(
        &self,
        _: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        Ok(Response::new(v1::ShutdownResponse {}))
    }
}

async fn work(script: Script, mut requests: Streaming<v1::ExecRequest>, events: Events) {
    let refusal = |reason: v1::exec_refused::Reason| {
        Event::Refused(v1::ExecRefused { reason: reason.into(), message: "no".to_owned() })
    };
    match script.work {
        Work::NotFound => {
            tell(&events, refusal(v1::exec_refused::Reason::NotFound)).await;
            return;
        }
        Work::Refuses => {
            tell(&events, refusal(v1::exec_refused::Reason::Agent)).await;
            return;
        }
        Work::SpeaksOutOfTurn => {
            tell(&events, Event::Stdout(Bytes::from_static(b"early"))).await;
            return;
        }
        _ => tell(&events, Event::Started(v1::ExecStarted { pid: 1 })).await,
    };
    if !script.output.is_empty() {
        tell(&events, Event::Stdout(script.output.clone())).await;
    }
    let killed = exited(Exit::Signal(9));
    let end = match script.work {
        Work::OutOfMemory => v1::ExecExited { out_of_memory: true, ..killed },
        Work::TimedOut => v1::ExecExited { timed_out: true, ..killed },
        Work::DiskFull => {
            let disk_full =
                Some(v1::DiskFull { mount: "/".to_owned(), size_bytes: 1 << 20, inodes: false });
            v1::ExecExited { disk_full, ..exited(Exit::Code(1)) }
        }
        Work::Hangs => {
            // Deaf to everything but the end of the stream.
            while let Ok(Some(_)) = requests.message().await {}
            return;
        }
        Work::Floods => {
            let flood = Bytes::from(vec![b'x'; 60_000]);
            while tell(&events, Event::Stdout(flood.clone())).await {}
            return;
        }
        Work::Echoes => {
            while let Ok(Some(request)) = requests.message().await {
                match request.event {
                    Some(exec_request::Event::Stdin(bytes)) => {
                        tell(&events, Event::Stdout(bytes)).await;
                    }
                    Some(exec_request::Event::StdinClosed(_)) => break,
                    _ => {}
                }
            }
            exited(Exit::Code(0))
        }
        _ => exited(Exit::Code(script.code)),
    };
    tell(&events, Event::Exited(end)).await;
}
