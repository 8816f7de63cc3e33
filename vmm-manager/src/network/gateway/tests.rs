//! A gateway of our own at the other end, honest and not.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kiln_net::{
    control::{Ask, Opening, Tell},
    plan::Admission,
    policy::Endpoint,
    record::Transport,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, UdpSocket, UnixListener, UnixStream},
    sync::Semaphore,
    time::timeout,
};

use super::{Admit, Gateway, GuestRegistry, Services};
use crate::{
    config::Resolvers,
    host::network::NetworkError,
    network::{endpoints::Endpoints, upstream::Upstreams},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Remembers each change that was asked for; refuses what has port 1, and changes nothing before it
/// is let.
#[derive(Debug)]
struct Kernel {
    changes: Mutex<Vec<Vec<u16>>>,
    let_through: Semaphore,
}

#[async_trait]
impl Admit for Kernel {
    async fn admit(&self, admissions: Vec<Admission>) -> Result<(), NetworkError> {
        let ports: Vec<_> = admissions.iter().map(|admission| admission.port).collect();
        self.let_through.acquire().await.unwrap().forget();
        if ports.contains(&1) {
            return Err(NetworkError::Refused { reason: "never".to_owned() });
        }
        self.changes.lock().unwrap().push(ports);
        Ok(())
    }
}

/// Says what it hears.
#[derive(Debug)]
struct Echo;

#[async_trait]
impl GuestRegistry for Echo {
    async fn serve(&self, mut stream: UnixStream) {
        let (mut reads, mut writes) = stream.split();
        let _broken = tokio::io::copy(&mut reads, &mut writes).await;
    }
}

struct Bench {
    directory: TempDir,
    listener: UnixListener,
    kernel: Arc<Kernel>,
    /// Of the host.
    resolver: UdpSocket,
    endpoint: TcpListener,
    gateway: Gateway,
}

async fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("run")).unwrap();
    let listener = UnixListener::bind(socket(directory.path())).unwrap();
    let kernel = Arc::new(Kernel { changes: Mutex::default(), let_through: Semaphore::new(1000) });
    let resolver = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let endpoint = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let services = Services {
        upstreams: Arc::new(Upstreams::new(Resolvers::Named(vec![resolver.local_addr().unwrap()]))),
        endpoints: Endpoints::new([(mirror(443), endpoint.local_addr().unwrap())]),
        admit: Arc::clone(&kernel) as Arc<dyn Admit>,
        registry: Some(Arc::new(Echo)),
    };
    let gateway = Gateway::serve(directory.path(), services);
    Bench { directory, listener, kernel, resolver, endpoint, gateway }
}

fn socket(directory: &Path) -> std::path::PathBuf {
    directory.join(kiln_net::control::SOCKET)
}

fn mirror(port: u16) -> Endpoint {
    Endpoint { name: "mirror.kiln".parse().unwrap(), port }
}

fn admission(port: u16) -> Admission {
    Admission {
        address: "192.0.2.1".parse().unwrap(),
        transport: Transport::Tcp,
        port,
        seconds: 60,
    }
}

struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn greeted(listener: &UnixListener) -> Self {
        let peer = Self::opened(listener).await;
        assert_eq!(peer.1, Opening::Hello {});
        peer.0
    }

    async fn opened(listener: &UnixListener) -> (Self, Opening) {
        let (stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
        let mut peer = Self(BufReader::new(stream));
        let opening = serde_json::from_str(&peer.line().await.unwrap()).unwrap();
        (peer, opening)
    }

    async fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = timeout(PATIENCE, self.0.read_line(&mut line)).await.unwrap();
        read.ok().filter(|bytes| *bytes > 0).map(|_| line)
    }

    async fn ask(&mut self, ask: &Ask) {
        let mut line = serde_json::to_vec(ask).unwrap();
        line.push(b'\n');
        self.0.write_all(&line).await.unwrap();
    }

    async fn told(&mut self) -> Tell {
        serde_json::from_str(&self.line().await.expect("it was let go of")).unwrap()
    }
}

fn question(name: u8) -> Vec<u8> {
    vec![0, name, 0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, name, 0, 0, 1, 0, 1]
}

#[tokio::test]
async fn questions_are_relayed_and_answered_by_number() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    for id in [1, 2_u8] {
        let message = STANDARD.encode(question(id));
        peer.ask(&Ask::Resolve { id: id.into(), message }).await;
    }
    let mut asked = Vec::new();
    let mut buffer = [0; 512];
    for _ in 0..2 {
        let (length, from) = bench.resolver.recv_from(&mut buffer).await.unwrap();
        asked.push((buffer[..length].to_vec(), from));
    }
    // The last first.
    for (mut answer, from) in asked.into_iter().rev() {
        answer[2] |= 0x80;
        bench.resolver.send_to(&answer, from).await.unwrap();
    }
    for _ in 0..2 {
        let Tell::Resolved { id, message } = peer.told().await else { panic!("no answer") };
        let mut expected = question(u8::try_from(id).unwrap());
        expected[2] |= 0x80;
        assert_eq!(STANDARD.decode(message).unwrap(), expected);
    }
    // What is none goes nowhere.
    for message in ["", "!", "AAAA"] {
        peer.ask(&Ask::Resolve { id: 9, message: message.to_owned() }).await;
        assert!(matches!(peer.told().await, Tell::Failed { id: 9, .. }), "{message}");
    }
    assert!(bench.resolver.try_recv(&mut buffer).is_err());
}

#[tokio::test]
async fn admissions_are_made_together_and_one_that_may_not_be_keeps_no_other_out() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    // Holds the first change up while the others gather.
    bench.kernel.let_through.forget_permits(1000);
    for port in [100, 1, 101, 102] {
        peer.ask(&Ask::Admit { id: port.into(), admissions: vec![admission(port)] }).await;
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(bench.kernel.changes.lock().unwrap().is_empty());
    bench.kernel.let_through.add_permits(1000);
    let mut told = Vec::new();
    for _ in 0..4 {
        told.push(match peer.told().await {
            Tell::Admitted { id } => (id, true),
            Tell::Failed { id, reason } => {
                assert!(reason.contains("never"), "{reason}");
                (id, false)
            }
            other @ Tell::Resolved { .. } => panic!("{other:?}"),
        });
    }
    told.sort_unstable();
    assert_eq!(told, [(1, false), (100, true), (101, true), (102, true)]);
    peer.ask(&Ask::Admit { id: 7, admissions: vec![admission(2); 65] }).await;
    assert!(matches!(peer.told().await, Tell::Failed { id: 7, .. }));
    peer.ask(&Ask::Admit { id: 8, admissions: vec![admission(3), admission(4)] }).await;
    assert_eq!(peer.told().await, Tell::Admitted { id: 8 });
    assert!(bench.kernel.changes.lock().unwrap().contains(&vec![3, 4]));
}

#[tokio::test]
async fn an_endpoint_is_dialled_by_name_and_nothing_else_is() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    for (id, endpoint) in
        [(1, mirror(80)), (2, Endpoint { name: "localhost".parse().unwrap(), port: 443 })]
    {
        peer.ask(&Ask::Dial { id, endpoint }).await;
        let Tell::Failed { id: told, reason } = peer.told().await else { panic!("it was dialled") };
        assert!(told == id && reason.contains("no endpoint"), "{reason}");
    }
    peer.ask(&Ask::Dial { id: 3, endpoint: mirror(443) }).await;
    let (mut service, _) = bench.endpoint.accept().await.unwrap();
    let (mut stream, opening) = Peer::opened(&bench.listener).await;
    assert_eq!(opening, Opening::Stream { id: 3 });
    stream.0.write_all(b"question").await.unwrap();
    stream.0.shutdown().await.unwrap();
    let mut heard = String::new();
    service.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "question");
    service.write_all(b"answer").await.unwrap();
    drop(service);
    let mut answered = String::new();
    stream.0.read_to_string(&mut answered).await.unwrap();
    assert_eq!(answered, "answer");
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_said_to_be() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    drop(bench.endpoint);
    peer.ask(&Ask::Dial { id: 1, endpoint: mirror(443) }).await;
    assert!(matches!(peer.told().await, Tell::Failed { id: 1, .. }));
}

#[tokio::test]
async fn a_gateway_that_goes_or_breaks_the_rules_is_met_again() {
    let bench = bench().await;
    let mut long = vec![b'x'; kiln_net::control::MAX_LINE_BYTES + 2];
    long.push(b'\n');
    let unknown = br#"{"shell":{"id":1}}"#.to_vec();
    let more = br#"{"admit":{"id":1,"admissions":[],"as":"root"}}"#.to_vec();
    for mut said in [Vec::new(), b"\n".to_vec(), b"{}\n".to_vec(), unknown, more, long] {
        let mut peer = Peer::greeted(&bench.listener).await;
        said.push(b'\n');
        if said.len() > 1 {
            // It may be let go of before all of it is said.
            let _ = peer.0.write_all(&said).await;
            assert_eq!(peer.line().await, None, "it was answered");
        }
    }
    let mut peer = Peer::greeted(&bench.listener).await;
    peer.ask(&Ask::Admit { id: 1, admissions: vec![admission(5)] }).await;
    assert_eq!(peer.told().await, Tell::Admitted { id: 1 });
}

#[tokio::test]
async fn a_flood_that_nobody_reads_the_answers_of_is_not_read_either() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    let mut line = serde_json::to_vec(&Ask::Dial { id: 1, endpoint: mirror(1) }).unwrap();
    line.push(b'\n');
    let flood = async {
        let mut said = 0_usize;
        loop {
            peer.0.write_all(&line).await.unwrap();
            said += 1;
            if said > 1_000_000 {
                return;
            }
        }
    };
    assert!(timeout(Duration::from_secs(1), flood).await.is_err(), "all of it was taken");
}

#[tokio::test]
async fn the_end_of_a_machine_ends_its_streams() {
    let Bench { directory, listener, endpoint, gateway, .. } = bench().await;
    let mut peer = Peer::greeted(&listener).await;
    peer.ask(&Ask::Dial { id: 1, endpoint: mirror(443) }).await;
    let (mut service, _) = endpoint.accept().await.unwrap();
    let _stream = Peer::opened(&listener).await;
    timeout(PATIENCE, gateway.end()).await.unwrap();
    assert_eq!(peer.line().await, None);
    assert_eq!(service.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(timeout(Duration::from_millis(100), listener.accept()).await.is_err());
    drop(directory);
}

#[tokio::test]
async fn a_link_where_the_socket_was_leads_nowhere() {
    let Bench { directory, listener, gateway: _gateway, .. } = bench().await;
    let other = directory.path().join("other.sock");
    let elsewhere = UnixListener::bind(&other).unwrap();
    let peer = Peer::greeted(&listener).await;
    std::fs::remove_file(socket(directory.path())).unwrap();
    std::os::unix::fs::symlink(&other, socket(directory.path())).unwrap();
    drop((peer, listener));
    assert!(timeout(Duration::from_millis(500), elsewhere.accept()).await.is_err());
}

#[tokio::test]
async fn a_connection_to_the_registry_is_a_stream_of_this_machines_own() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    peer.ask(&Ask::Registry { id: 7 }).await;
    let (mut stream, opening) = Peer::opened(&bench.listener).await;
    assert_eq!(opening, Opening::Stream { id: 7 });
    stream.0.write_all(b"GET /v2/").await.unwrap();
    stream.0.shutdown().await.unwrap();
    let mut heard = String::new();
    stream.0.read_to_string(&mut heard).await.unwrap();
    assert_eq!(heard, "GET /v2/");
}

#[tokio::test]
async fn a_machine_has_a_bounded_number_of_connections_to_the_registry() {
    let bench = bench().await;
    let mut peer = Peer::greeted(&bench.listener).await;
    let mut open = Vec::new();
    for id in 0..64 {
        peer.ask(&Ask::Registry { id }).await;
        open.push(Peer::opened(&bench.listener).await);
    }
    peer.ask(&Ask::Registry { id: 64 }).await;
    let Tell::Failed { id: 64, reason } = peer.told().await else { panic!("it was opened") };
    assert!(reason.contains("64 connections"), "{reason}");
    // One that goes makes room, for endpoints there was some all along.
    peer.ask(&Ask::Dial { id: 65, endpoint: mirror(443) }).await;
    let (_, opening) = Peer::opened(&bench.listener).await;
    assert_eq!(opening, Opening::Stream { id: 65 });
    open.pop();
    let began = std::time::Instant::now();
    loop {
        peer.ask(&Ask::Registry { id: 66 }).await;
        let told = timeout(Duration::from_millis(100), peer.told()).await;
        match told {
            Ok(Tell::Failed { id: 66, .. }) => assert!(began.elapsed() < PATIENCE),
            Ok(other) => panic!("{other:?}"),
            Err(_) => break,
        }
    }
    assert_eq!(Peer::opened(&bench.listener).await.1, Opening::Stream { id: 66 });
}

#[tokio::test]
async fn the_end_of_a_machine_ends_its_connections_to_the_registry() {
    let Bench { directory, listener, gateway, .. } = bench().await;
    let mut peer = Peer::greeted(&listener).await;
    peer.ask(&Ask::Registry { id: 1 }).await;
    let (mut stream, _) = Peer::opened(&listener).await;
    timeout(PATIENCE, gateway.end()).await.unwrap();
    assert_eq!(stream.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    drop(directory);
}
