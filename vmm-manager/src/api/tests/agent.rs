//! A guest whose agent says back what it is told.

use std::{pin::Pin, time::Duration};

use kiln_proto::agent::{
    PROTOCOL_VERSION,
    v1::{
        self,
        agent_server::{Agent, AgentServer},
        exec_request::Event as Told,
        exec_response::Event,
    },
};
use tokio::{io::duplex, sync::mpsc};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::guest::{Connection, Guest, Hello};

struct Echo {
    /// A command's stream has ended before the command.
    killed: CancellationToken,
}

/// A greeted guest, and a token for that one of its commands was killed.
pub(super) async fn guest() -> (Guest, CancellationToken) {
    let (ours, theirs) = duplex(64 << 10);
    let killed = CancellationToken::new();
    let agent = Echo { killed: killed.clone() };
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(theirs))
        .chain(tokio_stream::pending::<Result<_, std::io::Error>>());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(AgentServer::new(agent))
            .serve_with_incoming(incoming),
    );
    let limit = Duration::from_secs(30);
    let hello = Hello { hostname: "guest".to_owned(), secret: [1; 32], network: None, limit };
    let (guest, _) = Connection::over(ours).await.unwrap().hello(hello).await.unwrap();
    (guest, killed)
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Agent for Echo {
    type ExecStream = Answers<v1::ExecResponse>;
    type UnpackStream = Answers<v1::DiskResponse>;
    type PackStream = Answers<v1::DiskResponse>;

    async fn hello(
        &self,
        _request: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        Ok(Response::new(v1::HelloResponse {
            protocol_version: PROTOCOL_VERSION,
            agent_version: "1".to_owned(),
            kernel_release: "1".to_owned(),
            boot_steps: Vec::new(),
        }))
    }

    async fn exec(
        &self,
        request: Request<Streaming<v1::ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        let (answers, stream) = mpsc::channel(4);
        let killed = self.killed.clone();
        tokio::spawn(async move {
            if echo(request.into_inner(), answers).await.is_none() {
                killed.cancel();
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn unpack(
        &self,
        _request: Request<v1::UnpackRequest>,
    ) -> Result<Response<Self::UnpackStream>, Status> {
        Err(Status::unimplemented("no disks"))
    }

    async fn pack(
        &self,
        _request: Request<v1::PackRequest>,
    ) -> Result<Response<Self::PackStream>, Status> {
        Err(Status::unimplemented("no disks"))
    }

    async fn online(
        &self,
        _request: Request<v1::OnlineRequest>,
    ) -> Result<Response<v1::OnlineResponse>, Status> {
        Err(Status::unimplemented("no machine"))
    }

    async fn start_engine(
        &self,
        _request: Request<v1::StartEngineRequest>,
    ) -> Result<Response<v1::StartEngineResponse>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    type RelaySshStream = ReceiverStream<Result<v1::SshFrame, Status>>;

    async fn relay_ssh(
        &self,
        _request: Request<Streaming<v1::SshFrame>>,
    ) -> Result<Response<Self::RelaySshStream>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    async fn shutdown(
        &self,
        _request: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        Err(Status::unimplemented("never"))
    }
}

/// `None` when the stream ended first.
async fn echo(
    mut told: Streaming<v1::ExecRequest>,
    answers: mpsc::Sender<Result<v1::ExecResponse, Status>>,
) -> Option<()> {
    let say = |event| answers.send(Ok(v1::ExecResponse { event: Some(event) }));
    let mut offset = 0;
    loop {
        let text = match told.message().await.ok()??.event? {
            Told::Start(start) if start.argv == ["missing"] => {
                let refused = v1::ExecRefused {
                    reason: v1::exec_refused::Reason::NotFound.into(),
                    message: "missing is nowhere".to_owned(),
                };
                return say(Event::Refused(refused)).await.ok();
            }
            Told::Start(start) => {
                let started = v1::ExecStarted { pid: 9, stdin_offset: 0, stdin_closed: false };
                say(Event::Started(started)).await.ok()?;
                let limits = (start.memory_bytes, start.timeout_millis);
                format!(
                    "{} {:?} id {:?} limits {limits:?};",
                    start.argv.join(" "),
                    start.env,
                    start.id
                )
            }
            Told::Stdin(data) => String::from_utf8(data.to_vec()).ok()?,
            Told::Signal(signal) => format!("signal {};", signal.number),
            Told::Resize(size) => format!("{} by {};", size.rows, size.columns),
            Told::Kill(_) | Told::Taken(_) | Told::Part(_) | Told::Build(_) | Told::Boot(_) => {
                return None;
            }
            Told::StdinClosed(_) => {
                let status = Some(v1::exec_exited::Status::Code(3));
                let exited = v1::ExecExited { status, ..v1::ExecExited::default() };
                return say(Event::Exited(exited)).await.ok();
            }
        };
        let chunk = v1::OutputChunk { offset, data: text.clone().into() };
        offset += text.len() as u64;
        say(Event::Stdout(chunk)).await.ok()?;
    }
}
