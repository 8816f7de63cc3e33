//! An agent without a guest, spoken to over a unix socket by a host that comes and goes.

#![expect(clippy::unwrap_used, reason = "a panic is a test's verdict")]

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use kiln_agent::{Disks, NoDisk, Settings, serve_on};
use kiln_proto::agent::{
    PROTOCOL_VERSION,
    v1::{
        DiskFormat, EnvironmentVariable, ExecRequest, ExecResponse, ExecStart, HelloRequest,
        OutputTaken, PackRequest, ShutdownRequest, UnpackRequest, agent_client::AgentClient,
        disk_response, exec_exited::Status as ExitStatus, exec_request::Event as Request,
        exec_response::Event,
    },
};
use tempfile::TempDir;
use tokio::{
    net::{UnixListener, UnixStream},
    sync::mpsc,
    time::timeout,
};
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::{
    Code, Streaming,
    transport::{Channel, Endpoint},
};

const LIMIT: Duration = Duration::from_secs(20);

struct Files(HashMap<String, PathBuf>);

impl Disks for Files {
    fn find(&self, serial: &str) -> Result<PathBuf, NoDisk> {
        self.0.get(serial).cloned().ok_or_else(|| NoDisk::Missing {
            serial: serial.to_owned(),
            found: self.0.keys().cloned().collect(),
        })
    }
}

struct StandIn {
    directory: TempDir,
    off: Arc<AtomicBool>,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl StandIn {
    fn start(cgroup: Option<PathBuf>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("agent.sock")).unwrap();
        let disks = ["out"].map(|serial| (serial.to_owned(), directory.path().join(serial)));
        std::fs::File::create(directory.path().join("out")).unwrap().set_len(1 << 20).unwrap();
        let off = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&off);
        let settings = Settings {
            disks: Arc::new(Files(disks.into())),
            cgroup,
            engine: None,
            power_off: Box::new(move || switch.store(true, Ordering::SeqCst)),
        };
        let serving = tokio::spawn(serve_on(UnixListenerStream::new(listener), settings));
        Self { directory, off, serving }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A connection that has not said hello.
    async fn dial(&self) -> AgentClient<Channel> {
        let path = self.path("agent.sock");
        let connector = tower::service_fn(move |_| {
            let path = path.clone();
            async move { Ok::<_, io::Error>(TokioIo::new(UnixStream::connect(path).await?)) }
        });
        let endpoint = Endpoint::from_static("http://guest");
        AgentClient::new(endpoint.connect_with_connector(connector).await.unwrap())
    }

    async fn connect(&self) -> AgentClient<Channel> {
        let mut client = self.dial().await;
        client.hello(hello(7)).await.unwrap();
        client
    }
}

fn hello(secret: u8) -> HelloRequest {
    HelloRequest {
        protocol_version: PROTOCOL_VERSION,
        unix_nanos: 1,
        entropy: vec![0; 32].into(),
        hostname: "stand-in".to_owned(),
        secret: vec![secret; 32].into(),
        network: None,
    }
}

fn start(id: &str, script: &str) -> ExecStart {
    let (name, value) = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    ExecStart {
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        env: vec![EnvironmentVariable { name, value }],
        id: id.to_owned(),
        stdin: true,
        ..Default::default()
    }
}

/// A stream to a command: what is said, and what is heard.
struct Exec {
    requests: mpsc::Sender<ExecRequest>,
    answers: Streaming<ExecResponse>,
}

impl Exec {
    async fn open(client: &mut AgentClient<Channel>, start: ExecStart) -> Self {
        let (requests, incoming) = mpsc::channel(16);
        requests.send(ExecRequest { event: Some(Request::Start(start)) }).await.unwrap();
        let answers = client.exec(ReceiverStream::new(incoming)).await.unwrap().into_inner();
        Self { requests, answers }
    }

    async fn next(&mut self) -> Option<Event> {
        let answer = timeout(LIMIT, self.answers.message()).await.expect("an answer");
        answer.unwrap().and_then(|answer| answer.event)
    }

    async fn send(&self, event: Request) {
        // A command that has ended takes nothing more.
        let _ = self.requests.send(ExecRequest { event: Some(event) }).await;
    }

    /// Output from here on, to the end and its code.
    async fn finish(mut self) -> (Vec<u8>, Option<ExitStatus>) {
        let mut output = Vec::new();
        loop {
            match self.next().await {
                Some(Event::Stdout(chunk)) => {
                    output.extend_from_slice(&chunk.data);
                    let offset = chunk.offset + chunk.data.len() as u64;
                    self.send(Request::Taken(OutputTaken { offset })).await;
                }
                Some(Event::Exited(exited)) => return (output, exited.status),
                Some(Event::Started(_) | Event::StdinTaken(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_host_that_knows_the_secret_may_come_back_and_nobody_else() {
    let agent = StandIn::start(None);
    let mut early = agent.dial().await;
    let refused = early.shutdown(ShutdownRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let short = HelloRequest { secret: vec![7; 31].into(), ..hello(7) };
    assert_eq!(early.hello(short).await.unwrap_err().code(), Code::InvalidArgument);
    // A hello that is no good leaves no secret behind, and the connection may try again.
    let nameless = HelloRequest { hostname: String::new(), ..hello(9) };
    assert_eq!(early.hello(nameless).await.unwrap_err().code(), Code::InvalidArgument);
    early.hello(hello(7)).await.unwrap();
    assert_eq!(early.hello(hello(7)).await.unwrap_err().code(), Code::FailedPrecondition);

    let mut stranger = agent.dial().await;
    assert_eq!(stranger.hello(hello(8)).await.unwrap_err().code(), Code::PermissionDenied);
    let refused = stranger.shutdown(ShutdownRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let pack = PackRequest { disk: "out".into(), format: 1, path: "/".into() };
    assert_eq!(stranger.pack(pack).await.unwrap_err().code(), Code::FailedPrecondition);
    // Beside those that linger, and after those that are gone.
    drop(agent.connect().await);
    agent.connect().await;
    assert!(!agent.off.load(Ordering::SeqCst));
}

#[tokio::test]
async fn more_connections_than_are_kept_are_served() {
    let agent = StandIn::start(None);
    let mut lingering = Vec::new();
    for _ in 0..40 {
        lingering.push(timeout(LIMIT, agent.connect()).await.unwrap());
    }
    // The last ones are there yet, and the first ones are not.
    let invalid = || PackRequest::default();
    let last = lingering.last_mut().unwrap().pack(invalid()).await.unwrap_err();
    assert_eq!(last.code(), Code::InvalidArgument);
    let first = lingering[0].pack(invalid()).await.unwrap_err();
    assert_ne!(first.code(), Code::InvalidArgument, "{first:?}");
}

#[tokio::test]
async fn a_command_outlives_its_connection() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let agent = StandIn::start(None);
    let length = 3_000_000_usize;
    let start = start("job", &format!("seq 1 1000000 | head -c {length}; exit 6"));
    let mut output = Vec::new();
    let mut losses = 0;
    let status = loop {
        let mut client = agent.connect().await;
        let resumed = ExecStart { output_offset: output.len() as u64, ..start.clone() };
        let mut exec = Exec::open(&mut client, resumed).await;
        if losses == 20 {
            let (rest, status) = exec.finish().await;
            output.extend_from_slice(&rest);
            break status;
        }
        // A few chunks, and the host is gone: without a word, and with some of it taken.
        for _ in 0..=losses % 5 {
            if let Some(Event::Stdout(chunk)) = exec.next().await {
                assert_eq!(chunk.offset, output.len() as u64);
                output.extend_from_slice(&chunk.data);
                let offset = output.len() as u64;
                if losses % 2 == 0 {
                    exec.send(Request::Taken(OutputTaken { offset })).await;
                }
            }
        }
        losses += 1;
    };
    assert_eq!(status, Some(ExitStatus::Code(6)));
    let expected: String = (1..=1_000_000).flat_map(|n| [n.to_string(), "\n".into()]).collect();
    assert_eq!(output.len(), length);
    assert!(output == expected.as_bytes()[..length]);
}

/// Where version 2 is mounted, beside version 1 or alone.
fn cgroup2() -> Option<PathBuf> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
    let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
    line.split(' ').nth(1).map(PathBuf::from)
}

#[tokio::test]
async fn a_control_group_holds_what_leaves_its_session() {
    let made = cgroup2().and_then(|mount| {
        let group = mount.join(format!("kiln-agent-test-{}", std::process::id()));
        std::fs::create_dir(&group).is_ok().then_some(group)
    });
    let Some(group) = made else { return };
    {
        let agent = StandIn::start(Some(group.clone()));
        let mut client = agent.connect().await;
        let script = "setsid sleep 600 & echo $!; sleep 0.1; exit 3";
        let (output, status) = Exec::open(&mut client, start("group", script)).await.finish().await;
        assert_eq!(status, Some(ExitStatus::Code(3)));
        let pid = String::from_utf8(output).unwrap();
        let status = std::fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status"));
        // Gone, or dead and waited for by whoever inherits it here.
        assert!(status.is_err() || status.unwrap().contains("State:\tZ"));
    }
    let began = std::time::Instant::now();
    while std::fs::remove_dir(&group).is_err() {
        assert!(began.elapsed() < LIMIT, "{} is occupied", group.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn disks_are_carried_and_told_of() {
    let agent = StandIn::start(None);
    let mut client = agent.connect().await;
    std::fs::create_dir(agent.path("tree")).unwrap();
    std::fs::write(agent.path("tree/file"), "content").unwrap();
    let pack = PackRequest {
        disk: "out".to_owned(),
        format: DiskFormat::Tar.into(),
        path: agent.path("tree").display().to_string(),
    };
    // The second one after the connection was lost in the middle of it.
    drop(client.pack(pack.clone()).await.unwrap());
    let mut client = agent.connect().await;
    let mut answers = client.pack(pack).await.unwrap().into_inner();
    let answer = timeout(LIMIT, answers.message()).await.unwrap().unwrap().unwrap();
    let Some(disk_response::Event::Done(done)) = answer.event else { panic!("{answer:?}") };
    assert_eq!(done.length_bytes, 2048);
    assert!(answers.message().await.unwrap().is_none());
    let unpack = UnpackRequest { disk: "no such disk".into(), ..UnpackRequest::default() };
    assert_eq!(client.unpack(unpack).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_shutdown_kills_what_runs_and_ends_the_service() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let agent = StandIn::start(None);
    let mut client = agent.connect().await;
    let mut exec = Exec::open(&mut client, start("job", "exec sleep 600")).await;
    assert!(matches!(exec.next().await, Some(Event::Started(_))));
    client.shutdown(ShutdownRequest {}).await.unwrap();
    assert_eq!(exec.finish().await.1, Some(ExitStatus::Signal(9)));
    timeout(LIMIT, agent.serving).await.unwrap().unwrap().unwrap();
    assert!(agent.off.load(Ordering::SeqCst));
}
