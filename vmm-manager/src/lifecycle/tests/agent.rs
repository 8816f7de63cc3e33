//! An agent that does as its script says, behind the bridge's handshake, and remembers what it has
//! done when its host comes back.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

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
    /// How often a command was begun.
    pub(super) begun: Arc<AtomicU32>,
    pub(super) engine: Engine,
    /// What it says of each output's disk.
    pub(super) pack: v1::disk_response::Event,
    /// What a machine does that boots a root filesystem, each in its turn.
    pub(super) boots: Arc<Mutex<Vec<Boot>>>,
    /// What a guest has written to disks, by their serials.
    pub(super) disks: Arc<Mutex<Vec<(&'static str, Bytes)>>>,
    /// Where a source goes that is unpacked.
    pub(super) unpacked: Arc<Mutex<Vec<String>>>,
    /// What a build was asked with, and each signal to it.
    pub(super) heard: Arc<Mutex<Vec<exec_request::Event>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Boot {
    /// And stays so.
    Up,
    /// By something else than our init, or by nothing that is known.
    UpBy(&'static str),
    UpTwice,
    /// Is up, and then its command ends.
    Ends(i32),
    /// Before it is up.
    Exits(i32),
    Refuses,
    /// As no disk to boot from.
    RefusesDisk,
    Hangs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Starts,
    IsNone,
    Fails,
    Hangs,
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
    /// Writes its output bit by bit, whether somebody listens or not.
    Paced,
}

/// What an agent knows of its guest's life.
#[derive(Debug, Default)]
struct Memory {
    secret: Mutex<Option<Bytes>>,
    command: Mutex<Option<String>>,
    produced: AtomicUsize,
}

impl Script {
    pub(super) fn exits(code: i32) -> Self {
        let output = Bytes::new();
        let begun = Arc::default();
        Self {
            protocol_version: PROTOCOL_VERSION,
            output,
            code,
            work: Work::Exits,
            begun,
            engine: Engine::Starts,
            pack: v1::disk_response::Event::Done(v1::DiskDone { length_bytes: 4096 }),
            boots: Arc::default(),
            disks: Arc::default(),
            unpacked: Arc::default(),
            heard: Arc::default(),
        }
    }

    fn hears(&self, event: exec_request::Event) {
        self.heard.lock().unwrap().push(event);
    }

    pub(super) fn writing(self, output: &'static [u8]) -> Self {
        Self { output: Bytes::from_static(output), ..self }
    }
}

/// Answers calls until it is aborted.
pub(super) async fn serve(listener: UnixListener, script: Script) {
    let memory = Arc::new(Memory::default());
    // Ends with the machine, and every call with it.
    let mut calls = tokio::task::JoinSet::new();
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
            calls.spawn(speak(stream, script.clone(), Arc::clone(&memory)));
        }
    }
}

async fn speak(stream: UnixStream, script: Script, memory: Arc<Memory>) {
    let incoming = tokio_stream::StreamExt::chain(
        tokio_stream::once(Ok::<_, std::io::Error>(stream)),
        tokio_stream::pending(),
    );
    let service = AgentServer::new(Scripted { script, memory });
    let _ = Server::builder().add_service(service).serve_with_incoming(incoming).await;
}

#[derive(Debug)]
struct Scripted {
    script: Script,
    memory: Arc<Memory>,
}

type Events = mpsc::Sender<Result<v1::ExecResponse, Status>>;

async fn tell(events: &Events, event: Event) -> bool {
    events.send(Ok(v1::ExecResponse { event: Some(event) })).await.is_ok()
}

fn stdout(offset: u64, data: Bytes) -> Event {
    Event::Stdout(v1::OutputChunk { offset, data })
}

fn exited(status: Exit) -> v1::ExecExited {
    v1::ExecExited { status: Some(status), ..v1::ExecExited::default() }
}

#[tonic::async_trait]
impl Agent for Scripted {
    type ExecStream = Pin<Box<dyn Stream<Item = Result<v1::ExecResponse, Status>> + Send>>;

    type UnpackStream = ReceiverStream<Result<v1::DiskResponse, Status>>;
    type PackStream = ReceiverStream<Result<v1::DiskResponse, Status>>;

    async fn unpack(
        &self,
        request: Request<v1::UnpackRequest>,
    ) -> Result<Response<Self::UnpackStream>, Status> {
        let v1::UnpackRequest { disk, length_bytes, format: _, path } = request.into_inner();
        self.script.unpacked.lock().unwrap().push(format!("{disk} to {path}"));
        let (events, receiver) = mpsc::channel(1);
        let event = Some(v1::disk_response::Event::Done(v1::DiskDone { length_bytes }));
        events.send(Ok(v1::DiskResponse { event })).await.unwrap();
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn pack(
        &self,
        _: Request<v1::PackRequest>,
    ) -> Result<Response<Self::PackStream>, Status> {
        let (events, receiver) = mpsc::channel(1);
        let event = Some(self.script.pack.clone());
        events.send(Ok(v1::DiskResponse { event })).await.unwrap();
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn hello(
        &self,
        request: Request<v1::HelloRequest>,
    ) -> Result<Response<v1::HelloResponse>, Status> {
        let secret = request.into_inner().secret;
        if *self.memory.secret.lock().unwrap().get_or_insert(secret.clone()) != secret {
            return Err(Status::permission_denied("another secret"));
        }
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
        let mut requests = request.into_inner();
        let (id, output_offset) = loop {
            let event = requests.message().await?.and_then(|request| request.event);
            match event {
                Some(exec_request::Event::Start(start)) => {
                    self.script.hears(exec_request::Event::Start(start.clone()));
                    break (start.id, start.output_offset);
                }
                Some(exec_request::Event::Boot(start)) => {
                    let offset = start.output_offset;
                    self.script.hears(exec_request::Event::Boot(start));
                    tokio::spawn(boot(self.script.clone(), offset, requests, events));
                    return Ok(Response::new(Box::pin(ReceiverStream::new(receiver))));
                }
                Some(event @ exec_request::Event::Part(_)) => self.script.hears(event),
                Some(exec_request::Event::Build(start)) => {
                    self.script.hears(exec_request::Event::Build(start.clone()));
                    break (start.id, start.output_offset);
                }
                _ => return Err(Status::invalid_argument("start stands first")),
            }
        };
        let begins = self.memory.command.lock().unwrap().replace(id).is_none();
        if begins {
            self.script.begun.fetch_add(1, Ordering::SeqCst);
        }
        if self.script.work == Work::Paced {
            let memory = Arc::clone(&self.memory);
            if begins {
                tokio::spawn(produce(self.script.output.len(), Arc::clone(&memory)));
            }
            tokio::spawn(paced(self.script.clone(), memory, output_offset, events));
        } else {
            tokio::spawn(work(self.script.clone(), requests, events));
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn online(
        &self,
        _: Request<v1::OnlineRequest>,
    ) -> Result<Response<v1::OnlineResponse>, Status> {
        Err(Status::unimplemented("no machine"))
    }

    async fn start_engine(
        &self,
        request: Request<v1::StartEngineRequest>,
    ) -> Result<Response<v1::StartEngineResponse>, Status> {
        assert_eq!(request.into_inner().disk, "kiln-engine");
        match self.script.engine {
            Engine::Starts => Ok(Response::new(v1::StartEngineResponse {
                engine_version: "26".to_owned(),
                steps: Vec::new(),
                platforms: vec!["linux/amd64".to_owned()],
            })),
            Engine::IsNone => Err(Status::unavailable("there is no dockerd")),
            Engine::Fails => Err(Status::internal("dockerd: no such driver")),
            Engine::Hangs => std::future::pending().await,
        }
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
        _: Request<v1::ShutdownRequest>,
    ) -> Result<Response<v1::ShutdownResponse>, Status> {
        Ok(Response::new(v1::ShutdownResponse {}))
    }
}

/// The command, which does not know who listens.
async fn produce(length: usize, memory: Arc<Memory>) {
    while memory.produced.load(Ordering::SeqCst) < length {
        tokio::time::sleep(Duration::from_millis(2)).await;
        memory.produced.fetch_add(100, Ordering::SeqCst);
    }
}

/// One stream to it.
async fn paced(script: Script, memory: Arc<Memory>, offset: u64, events: Events) {
    let mut offset = usize::try_from(offset).unwrap();
    tell(&events, Event::Started(v1::ExecStarted { pid: 1, ..v1::ExecStarted::default() })).await;
    while offset < script.output.len() {
        let end = memory.produced.load(Ordering::SeqCst).min(script.output.len());
        if offset < end
            && !tell(&events, stdout(offset as u64, script.output.slice(offset..end))).await
        {
            return;
        }
        offset = end;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tell(&events, Event::Exited(exited(Exit::Code(script.code)))).await;
}

async fn boot(
    script: Script,
    offset: u64,
    mut requests: Streaming<v1::ExecRequest>,
    events: Events,
) {
    let boot = script.boots.lock().unwrap().remove(0);
    let refused = match boot {
        Boot::Refuses => Some((v1::exec_refused::Reason::NotFound, "there is no /sbin/init")),
        Boot::RefusesDisk => Some((v1::exec_refused::Reason::Invalid, "the disk has no ext4")),
        _ => None,
    };
    if let Some((reason, message)) = refused {
        let (reason, message) = (reason.into(), message.to_owned());
        tell(&events, Event::Refused(v1::ExecRefused { reason, message })).await;
        return;
    }
    tell(&events, Event::Started(v1::ExecStarted { pid: 1, ..v1::ExecStarted::default() })).await;
    // Once: who comes back has it.
    if offset == 0 {
        tell(&events, stdout(0, Bytes::from_static(b"hello from init\n"))).await;
    }
    let up = |by: &str| Event::Up(v1::BootUp { degraded: false, by: by.to_owned() });
    let end = match boot {
        Boot::UpBy(what) => {
            tell(&events, up(what)).await;
            None
        }
        Boot::UpTwice => {
            tell(&events, up("init")).await;
            tell(&events, up("init")).await;
            None
        }
        Boot::Up => {
            tell(&events, up("init")).await;
            None
        }
        Boot::Ends(code) => {
            tell(&events, up("init")).await;
            Some(code)
        }
        Boot::Exits(code) => Some(code),
        Boot::Refuses | Boot::RefusesDisk | Boot::Hangs => None,
    };
    if let Some(code) = end {
        tell(&events, Event::Exited(exited(Exit::Code(code)))).await;
        return;
    }
    while let Ok(Some(request)) = requests.message().await {
        request.event.into_iter().for_each(|event| script.hears(event));
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
            tell(&events, stdout(0, Bytes::from_static(b"early"))).await;
            return;
        }
        _ => {
            tell(&events, Event::Started(v1::ExecStarted { pid: 1, ..v1::ExecStarted::default() }))
                .await
        }
    };
    if !script.output.is_empty() {
        tell(&events, stdout(0, script.output.clone())).await;
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
            while let Ok(Some(request)) = requests.message().await {
                request.event.into_iter().for_each(|event| script.hears(event));
            }
            return;
        }
        Work::Floods => {
            let flood = Bytes::from(vec![b'x'; 60_000]);
            let mut offset = 0;
            while tell(&events, stdout(offset, flood.clone())).await {
                offset += flood.len() as u64;
            }
            return;
        }
        Work::Echoes => {
            let mut offset = 0;
            while let Ok(Some(request)) = requests.message().await {
                match request.event {
                    Some(exec_request::Event::Stdin(bytes)) => {
                        let length = bytes.len() as u64;
                        tell(&events, stdout(offset, bytes)).await;
                        offset += length;
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
