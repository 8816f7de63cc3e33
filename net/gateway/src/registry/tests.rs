//! A gateway's registry port, and daemons that come, refuse and go.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use kiln_net::{
    control::{Ask, Event, GatewayConfig, Opening, Tell},
    plan::GuestLink,
    policy::Policy,
    record::{Reason, Refused},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    task::JoinHandle,
};

use super::CONNECTIONS;
use crate::{control::Control, gateway::Gateway, recorder::Recorder};

struct World {
    directory: tempfile::TempDir,
    address: SocketAddr,
    gateway: Arc<Gateway>,
}

impl World {
    async fn begin() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let record = directory.path().join("egress.log");
        let recorder = Recorder::open(&record, 1 << 20).unwrap();
        let config = GatewayConfig {
            policy: Policy::None,
            link: GuestLink {
                guest: [192, 0, 2, 2].into(),
                gateway: [192, 0, 2, 1].into(),
                six: None,
            },
            endpoints: Vec::new(),
            never: Vec::new(),
            connections: 8,
            registry: true,
            record,
            record_bytes: 1 << 20,
        };
        let control = Control::default();
        let gateway = Arc::new(Gateway::new(config, recorder, control.clone()));
        let socket = UnixListener::bind(directory.path().join("gateway.sock")).unwrap();
        tokio::spawn(control.serve(socket));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(super::serve(Arc::clone(&gateway), vec![listener]));
        Self { directory, address, gateway }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("gateway.sock")
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Echoes what it hears, or refuses; until it is aborted, with all of its streams.
    async fn daemon(&self, refusal: Option<&'static str>) -> JoinHandle<()> {
        let socket = self.socket();
        let mut control = UnixStream::connect(&socket).await.unwrap();
        control.write_all(&line(&Opening::Hello {})).await.unwrap();
        tokio::spawn(async move {
            let mut streams = tokio::task::JoinSet::new();
            let (reader, mut writer) = control.into_split();
            let mut lines = BufReader::new(reader).lines();
            while let Ok(Some(text)) = lines.next_line().await {
                let Ok(Ask::Registry { id }) = serde_json::from_str(&text) else {
                    panic!("{text} is not for a registry")
                };
                if let Some(reason) = refusal {
                    let failed = Tell::Failed { id, reason: reason.to_owned() };
                    writer.write_all(&line(&failed)).await.unwrap();
                    continue;
                }
                let mut stream = UnixStream::connect(&socket).await.unwrap();
                stream.write_all(&line(&Opening::Stream { id })).await.unwrap();
                streams.spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        })
    }
}

fn line(message: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).unwrap();
    line.push(b'\n');
    line
}

async fn echoes(stream: &mut TcpStream, bytes: &[u8]) {
    let (mut reader, mut writer) = stream.split();
    let mut heard = vec![0; bytes.len()];
    let (sent, read) = tokio::join!(writer.write_all(bytes), reader.read_exact(&mut heard));
    sent.unwrap();
    read.unwrap();
    assert!(heard == bytes, "other bytes came back");
}

async fn all(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn what_a_guest_says_goes_to_the_daemon_and_back() {
    let world = World::begin().await;
    let _daemon = world.daemon(None).await;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = world.connect().await;
        echoes(&mut stream, b"GET /v2/ HTTP/1.1\r\n\r\n").await;
        streams.push(stream);
    }
    echoes(&mut streams[1], &vec![7; 1 << 20]).await;
    let mut ended = streams.remove(0);
    ended.shutdown().await.unwrap();
    assert_eq!(all(ended).await, "");
}

#[tokio::test]
async fn a_connection_waits_for_a_daemon_that_restarts() {
    let world = World::begin().await;
    let mut early = world.connect().await;
    early.write_all(b"early").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let first = world.daemon(None).await;
    let mut heard = [0; 5];
    early.read_exact(&mut heard).await.unwrap();
    assert_eq!(&heard, b"early");

    first.abort();
    let mut left = Vec::new();
    let _an_end_or_a_reset = early.read_to_end(&mut left).await;
    assert_eq!(left, b"");
    let mut late = world.connect().await;
    let _second = world.daemon(None).await;
    echoes(&mut late, b"late").await;
}

#[tokio::test(start_paused = true)]
async fn without_a_daemon_a_registry_is_told_to_be_unavailable() {
    let world = World::begin().await;
    let began = tokio::time::Instant::now();
    let answer = all(world.connect().await).await;
    assert!(began.elapsed() >= Duration::from_secs(30));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let first = head.lines().next().unwrap();
    assert!(first.starts_with("HTTP/1.1 503 the registry of this host can't be used"), "{first}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["errors"][0]["code"], "UNAVAILABLE");
}

#[tokio::test]
async fn a_refusal_is_heard_also_by_who_sends_much() {
    let world = World::begin().await;
    let _daemon = world.daemon(Some("no\r\nX-Forged: 1")).await;
    let mut stream = world.connect().await;
    stream.write_all(&vec![b'x'; 32 << 10]).await.unwrap();
    let answer = all(stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(!answer.contains("\nX-Forged"), "{answer}");
}

#[tokio::test]
async fn more_connections_than_there_is_room_for_are_reset_and_told() {
    let world = World::begin().await;
    let _daemon = world.daemon(None).await;
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = world.connect().await;
        echoes(&mut stream, b"x").await;
        held.push(stream);
    }
    let mut over = world.connect().await;
    assert!(over.read(&mut [0]).await.is_err());
    drop(held.pop());
    // Its end has to be seen by the gateway first.
    let mut again = loop {
        let mut stream = world.connect().await;
        if stream.write_all(b"y").await.is_ok() && stream.read_exact(&mut [0]).await.is_ok() {
            break stream;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    echoes(&mut again, b"z").await;
    world.gateway.recorder.flush();
    let text = std::fs::read_to_string(&world.gateway.config.record).unwrap();
    let refusals: Vec<_> = text
        .lines()
        .filter_map(|line| match serde_json::from_str(line).unwrap() {
            Event::Refused(refusal) => Some(refusal),
            Event::Lost { .. } => None,
            other => panic!("{other:?} is recorded"),
        })
        .collect();
    assert_eq!(refusals[0].reason, Reason::Limit);
    assert!(matches!(
        &refusals[0].what,
        Refused::Connection { port, .. } if *port == world.address.port()
    ));
}
