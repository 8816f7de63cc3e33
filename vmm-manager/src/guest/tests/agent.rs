//! An agent that does what its script says.

use std::{pin::Pin, time::Duration};

use kiln_proto::agent::v1::{
    DiskResponse, ExecRequest, ExecResponse, HelloRequest, HelloResponse, OnlineRequest,
    OnlineResponse, PackRequest, ShutdownRequest, ShutdownResponse, SshFrame, StartEngineRequest,
    StartEngineResponse, StdinTaken, UnpackRequest,
    agent_server::{Agent, AgentServer},
    disk_response, exec_request,
    exec_response::Event,
};
use tokio::{
    io::{DuplexStream, copy_bidirectional, duplex},
    sync::mpsc,
};
use tokio_stream::{Stream, StreamExt as _, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status, Streaming};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Greeting {
    #[default]
    Honest,
    Version(u32),
    Refused(Code, &'static str),
    Silent,
}

/// What follows the scripted events of an exec.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) enum Finish {
    #[default]
    Ends,
    Hangs,
    /// Does not even begin to answer.
    NoHeaders,
    Fails(Code, &'static str),
    /// Takes the connection down.
    Dies,
    /// Reads its input to the end of stdin, then exits.
    Listens,
}

#[derive(Clone, Debug)]
pub(super) struct Script {
    pub(super) greeting: Greeting,
    pub(super) events: Vec<Event>,
    pub(super) finish: Finish,
    /// Of every disk.
    pub(super) disk: Vec<disk_response::Event>,
    pub(super) disk_finish: Finish,
    pub(super) online: Result<OnlineResponse, Status>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            greeting: Greeting::default(),
            events: Vec::new(),
            finish: Finish::default(),
            disk: Vec::new(),
            disk_finish: Finish::default(),
            online: Ok(OnlineResponse::default()),
        }
    }
}

impl Script {
    pub(super) fn saying(events: Vec<Event>) -> Self {
        Self { events, ..Self::default() }
    }
}

/// What the agent was told.
pub(super) struct Heard {
    events: mpsc::UnboundedReceiver<exec_request::Event>,
    reset: CancellationToken,
}

impl Heard {
    pub(super) fn all(&mut self) -> String {
        let (mut said, mut bytes, mut chunks) = (Vec::new(), 0, 0);
        while let Ok(event) = self.events.try_recv() {
            match event {
                exec_request::Event::Start(start) if start.id.is_empty() => {}
                exec_request::Event::Start(start) => {
                    said.push(format!("{} from {}", start.id, start.output_offset));
                }
                exec_request::Event::Stdin(chunk) => {
                    bytes += chunk.len();
                    chunks += 1;
                }
                exec_request::Event::StdinClosed(_) => {
                    said.push(format!("{bytes} bytes of stdin in {chunks} chunks, end of stdin"));
                }
                exec_request::Event::Signal(signal) => {
                    said.push(format!("signal {}", signal.number));
                }
                exec_request::Event::Kill(_) => said.push("kill".to_owned()),
                exec_request::Event::Resize(size) => {
                    said.push(format!("{} by {}", size.rows, size.columns));
                }
                exec_request::Event::Taken(taken) => said.push(format!("taken {}", taken.offset)),
                exec_request::Event::Part(part) => {
                    said.push(format!("{} bytes of {}", part.data.len(), part.name));
                }
                exec_request::Event::Boot(boot) => {
                    said.push(format!("boot {} from {}", boot.id, boot.output_offset));
                }
                exec_request::Event::Build(build) => {
                    said.push(format!("build {} from {}", build.id, build.output_offset));
                }
            }
        }
        said.join(", ")
    }

    /// Until a command's stream was reset.
    pub(super) async fn reset(&self) {
        self.reset.cancelled().await;
    }
}

/// Our end of a conversation with a scripted agent.
pub(super) fn talk(script: Script) -> (DuplexStream, Heard) {
    let (ours, mut near) = duplex(64 * 1024);
    let (mut far, theirs) = duplex(64 * 1024);
    let (heard, events) = mpsc::unbounded_channel();
    let (death, reset) = (CancellationToken::new(), CancellationToken::new());
    let agent = Scripted { script, heard, death: death.clone(), reset: reset.clone() };
    let incoming = tokio_stream::once(Ok::<_, std::io::Error>(theirs))
        .chain(tokio_stream::pending::<Result<DuplexStream, std::io::Error>>());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(AgentServer::new(agent))
            .serve_with_incoming(incoming),
    );
    // The wire between the two, which death cuts.
    tokio::spawn(death.run_until_cancelled_owned(async move {
        let _ = copy_bidirectional(&mut near, &mut far).await;
    }));
    (ours, Heard { events, reset })
}

struct Scripted {
    script: Script,
    heard: mpsc::UnboundedSender<exec_request::Event>,
    death: CancellationToken,
    reset: CancellationToken,
}

impl Scripted {
    /// Says a word in five seconds, as an agent does that works.
    async fn tell_of_disk(
        &self,
    ) -> Result<Response<ReceiverStream<Result<DiskResponse, Status>>>, Status> {
        let Script { disk, disk_finish, .. } = self.script.clone();
        if disk_finish == Finish::NoHeaders {
            std::future::pending::<()>().await;
        }
        let (answers, stream) = mpsc::channel(16);
        tokio::spawn(async move {
            for event in disk {
                tokio::time::sleep(Duration::from_secs(5)).await;
                if answers.send(Ok(DiskResponse { event: Some(event) })).await.is_err() {
                    return;
                }
            }
            match disk_finish {
                Finish::Hangs => answers.closed().await,
                Finish::Fails(code, message) => {
                    let _ = answers.send(Err(Status::new(code, message))).await;
                }
                _ => {}
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

#[tonic::async_trait]
impl Agent for Scripted {
    type ExecStream = Pin<Box<dyn Stream<Item = Result<ExecResponse, Status>> + Send>>;

    type UnpackStream = ReceiverStream<Result<DiskResponse, Status>>;
    type PackStream = ReceiverStream<Result<DiskResponse, Status>>;

    async fn unpack(
        &self,
        request: Request<UnpackRequest>,
    ) -> Result<Response<Self::UnpackStream>, Status> {
        let UnpackRequest { disk, length_bytes, format, path } = request.into_inner();
        assert_eq!((&disk[..], length_bytes, format, &path[..]), ("in", 1000, 1, "/src"));
        self.tell_of_disk().await
    }

    async fn pack(
        &self,
        request: Request<PackRequest>,
    ) -> Result<Response<Self::PackStream>, Status> {
        let PackRequest { disk, format, path } = request.into_inner();
        assert_eq!((&disk[..], format, &path[..]), ("out", 2, "/result"));
        self.tell_of_disk().await
    }

    async fn hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloResponse>, Status> {
        let request = request.into_inner();
        assert!(request.entropy.len() >= 32 && request.unix_nanos > 0);
        assert_eq!(request.secret, super::SECRET[..]);
        let protocol_version = match self.script.greeting {
            Greeting::Honest => request.protocol_version,
            Greeting::Version(version) => version,
            Greeting::Refused(code, message) => return Err(Status::new(code, message)),
            Greeting::Silent => std::future::pending().await,
        };
        Ok(Response::new(HelloResponse {
            protocol_version,
            agent_version: "0.1.0".into(),
            kernel_release: "6.12".into(),
            boot_steps: Vec::new(),
        }))
    }

    async fn exec(
        &self,
        request: Request<Streaming<ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        if self.script.finish == Finish::NoHeaders {
            std::future::pending::<()>().await;
        }
        let (answers, stream) = mpsc::channel(16);
        let Script { events, finish, .. } = self.script.clone();
        let (heard, death) = (self.heard.clone(), self.death.clone());
        let reset = self.reset.clone();
        let mut requests = request.into_inner();
        tokio::spawn(async move {
            let answer = |event| Ok(ExecResponse { event: Some(event) });
            for event in events {
                if answers.send(answer(event)).await.is_err() {
                    return;
                }
            }
            match finish {
                Finish::Ends | Finish::NoHeaders => {}
                Finish::Hangs => answers.closed().await,
                Finish::Fails(code, message) => {
                    let _ = answers.send(Err(Status::new(code, message))).await;
                }
                Finish::Dies => {
                    // Once what was said before is on its way.
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    death.cancel();
                    answers.closed().await;
                }
                Finish::Listens => {
                    let mut taken = 0;
                    loop {
                        let Ok(Some(request)) = requests.message().await else {
                            reset.cancel();
                            break;
                        };
                        let Some(event) = request.event else { break };
                        let last = matches!(event, exec_request::Event::StdinClosed(_));
                        if let exec_request::Event::Stdin(data) = &event {
                            taken += data.len() as u64;
                            let offset = StdinTaken { offset: taken };
                            let _ = answers.send(answer(Event::StdinTaken(offset))).await;
                        }
                        let _ = heard.send(event);
                        if last {
                            let _ = answers.send(answer(super::exited())).await;
                            break;
                        }
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn online(
        &self,
        _request: Request<OnlineRequest>,
    ) -> Result<Response<OnlineResponse>, Status> {
        self.script.online.clone().map(Response::new)
    }

    async fn start_engine(
        &self,
        _request: Request<StartEngineRequest>,
    ) -> Result<Response<StartEngineResponse>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    type RelaySshStream = ReceiverStream<Result<SshFrame, Status>>;

    async fn relay_ssh(
        &self,
        _request: Request<Streaming<SshFrame>>,
    ) -> Result<Response<Self::RelaySshStream>, Status> {
        Err(Status::unimplemented("not this agent's"))
    }

    async fn shutdown(
        &self,
        _request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        self.death.cancel();
        std::future::pending().await
    }
}
