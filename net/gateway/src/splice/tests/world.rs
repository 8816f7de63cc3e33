//! A namespace with hosts, a guest, and a splice between them.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use kiln_net::{
    control::{Event, GatewayConfig},
    namespace::Namespace,
    plan::{GuestLink, GuestLink6},
    policy::{Endpoint, Policy},
    record::{Flow, Reason, Refused},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UnixListener},
};

use crate::{control::Control, gateway::Gateway, recorder::Recorder};

const GUEST: &str = "198.51.100.2";
const GUEST6: &str = "2001:db8:1::2";
const GATEWAY: &str = "198.51.100.1";
const GATEWAY6: &str = "2001:db8:1::1";
const SETUP: &str = "
set -e
ip link set lo up
for last in 1 2 3 4; do ip address add 203.0.113.$last/32 dev lo; done
ip address add 198.51.100.2/32 dev lo
ip address add 2001:db8::1/128 dev lo nodad
ip address add 2001:db8:1::2/128 dev lo nodad
ip route add default dev lo
ip -6 route add default dev lo
nft -f - <<'END'
table inet test {
  chain output {
    type nat hook output priority -100
    ip saddr 198.51.100.2 meta l4proto tcp redirect to :15001
    ip6 saddr 2001:db8:1::2 meta l4proto tcp redirect to :15001
  }
}
END
";

pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) directory: tempfile::TempDir,
    heard: Arc<AtomicUsize>,
}

/// Without privileges there is no namespace, which is all that can be seen then.
pub(super) fn world(policy: &str, work: impl AsyncFnOnce(&World) + Send) {
    limited(policy, 64, work);
}

pub(super) fn limited(policy: &str, connections: u32, work: impl AsyncFnOnce(&World) + Send) {
    if !rustix::process::geteuid().is_root() {
        assert!(Namespace::make().is_err(), "a namespace, for anybody");
        return;
    }
    let policy: Policy = policy.parse().expect("a policy");
    let namespace = Namespace::make().expect("a namespace");
    let done = namespace.enter(|| {
        run("sh", &["-c", SETUP]);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let world = World::begin(policy, connections).await;
            work(&world).await;
        });
        Ok(())
    });
    done.expect("done");
}

pub(super) fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.expect(program);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {told}");
}

impl World {
    async fn begin(policy: Policy, connections: u32) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let record = directory.path().join("egress.log");
        let recorder = Recorder::open(&record, 1 << 20).expect("a recorder");
        let endpoint = |name: &str, port| Endpoint { name: name.parse().expect("a name"), port };
        let config = GatewayConfig {
            policy,
            link: GuestLink {
                guest: GUEST.parse().expect("an address"),
                gateway: GATEWAY.parse().expect("an address"),
                six: Some(GuestLink6 {
                    guest: GUEST6.parse().expect("an address"),
                    gateway: GATEWAY6.parse().expect("an address"),
                }),
            },
            endpoints: vec![
                endpoint("mirror.test", 5000),
                endpoint("first.test", 6000),
                endpoint("second.test", 6000),
            ],
            never: vec!["203.0.113.4/32".parse().expect("a block")],
            connections,
            registry: true,
            record,
            record_bytes: 1 << 20,
        };
        let control = Control::default();
        let gateway = Arc::new(Gateway::new(config, recorder, control.clone()));
        let socket = UnixListener::bind(directory.path().join("gateway.sock")).expect("a socket");
        tokio::spawn(control.serve(socket));
        let mut listeners = Vec::new();
        for address in ["127.0.0.1:15001", "[::1]:15001"] {
            listeners.push(TcpListener::bind(address).await.expect("a splice"));
        }
        tokio::spawn(super::super::serve(Arc::clone(&gateway), listeners));
        Self { gateway, directory, heard: Arc::default() }
    }

    pub(super) fn control(&self) -> PathBuf {
        self.directory.path().join("gateway.sock")
    }

    /// As the resolver would.
    pub(super) fn admit(&self, name: &str, address: &str) {
        let name = name.parse().expect("a name");
        let address: IpAddr = address.parse().expect("an address");
        self.gateway.admitted.admit(&name, &[address], Duration::from_secs(3600));
    }

    /// A host that says what it hears.
    pub(super) async fn echo(&self, address: &str) {
        self.host(address, async |mut stream: TcpStream| {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .await;
    }

    /// A host that does `serve` with each connection.
    pub(super) async fn host<F>(
        &self,
        address: &str,
        serve: impl Fn(TcpStream) -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("a host");
        let heard = Arc::clone(&self.heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                heard.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(serve(stream));
            }
        });
    }

    /// How many connections reached a host.
    pub(super) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }

    pub(super) async fn connect(&self, address: &str) -> TcpStream {
        let address: SocketAddr = address.parse().expect("an address");
        let (socket, own) = match address {
            SocketAddr::V4(_) => (TcpSocket::new_v4(), GUEST),
            SocketAddr::V6(_) => (TcpSocket::new_v6(), GUEST6),
        };
        let socket = socket.expect("a socket");
        let own: IpAddr = own.parse().expect("an address");
        socket.bind(SocketAddr::new(own, 0)).expect("the guest's address");
        let stream = socket.connect(address).await.expect("redirected");
        stream.set_nodelay(true).expect("no delay");
        stream
    }

    pub(super) fn events(&self) -> Vec<Event> {
        self.gateway.recorder.flush();
        let text = std::fs::read_to_string(&self.gateway.config.record).expect("a record");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Those of connections, in the order in which each was first seen.
    pub(super) fn refusals(&self) -> Vec<(Option<String>, SocketAddr, Reason)> {
        let mut refusals: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Refused(refusal) => Some(refusal),
                _ => None,
            })
            .collect();
        refusals.sort_by_key(|refusal| refusal.last);
        let connection = |refusal: kiln_net::record::Refusal| match refusal.what {
            Refused::Connection { name, address, port, .. } => {
                Some((name, SocketAddr::new(address, port), refusal.reason))
            }
            Refused::Query { .. } => None,
        };
        refusals.into_iter().filter_map(connection).collect()
    }

    pub(super) fn flows(&self) -> Vec<Flow> {
        let mut flows: Vec<_> = self
            .events()
            .into_iter()
            .filter_map(|event| match event {
                Event::Spliced { id, flow } => Some((id, flow)),
                _ => None,
            })
            .collect();
        flows.sort_by_key(|(id, _)| *id);
        flows.into_iter().map(|(_, flow)| flow).collect()
    }
}

/// All that comes until the end.
pub(super) async fn drain(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    let _ = stream.shutdown().await;
    bytes
}
