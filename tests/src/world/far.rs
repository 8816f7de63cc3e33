//! The far end of a link of kilnd's host: a namespace in which every address is at home.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
    path::PathBuf,
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UnixStream},
    process::{Child, Command},
    task::JoinSet,
};

use super::{Arrivals, Served, Zone, certificate::Certificate, dns};
use crate::{Namespace, until};

/// Where servers are, at every address.
const HTTP: [u16; 3] = [80, 8080, 8000];
const HTTPS: [u16; 2] = [443, 8443];
/// These say a word first.
const TALKERS: [u16; 3] = [22, 25, 853];
/// At each of its addresses; what comes goes back.
const UDP: [u16; 3] = [443, 5353, 9999];
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Of a server of TLS, in its directory.
const SOCKET: &str = "tls";
const OWN: [u8; 6] = [2, 0, 0, 0, 0, 0xfe];

#[derive(Debug)]
pub(super) struct Far {
    namespace: Namespace,
    arrivals: Arrivals,
    served: Served,
    tasks: JoinSet<()>,
    certificates: Vec<Certificate>,
    /// Of TLS, killed with us.
    servers: Vec<Child>,
}

impl Far {
    /// A link of the host's called `name`, in the blocks that begin like this, from the given last
    /// byte on: a network of four addresses, the host's and this one's.
    pub(super) fn new(
        host: &Namespace,
        name: &str,
        [four, six]: [&str; 2],
        first: u8,
    ) -> anyhow::Result<Self> {
        let namespace = Namespace::make()?;
        let own = OWN.map(|byte| format!("{byte:02x}")).join(":");
        host.ip(&format!("link add {name} type veth peer name eth0 address {own}"))?;
        host.ip(&format!("link set eth0 netns {}", namespace.path().display()))?;
        for (end, device, last) in [(host, name, 1), (&namespace, "eth0", 2)] {
            // What a router might say is nobody's business here.
            end.sysctl(&format!("net.ipv6.conf.{device}.accept_ra"), "0")?;
            // Addresses of their own take a while to be sure of.
            end.sysctl(&format!("net.ipv6.conf.{device}.addr_gen_mode"), "1")?;
            end.ip(&format!("address add {four}.{}/30 dev {device}", first + last))?;
            end.ip(&format!("address add {six}:{last}/64 dev {device} nodad"))?;
            end.ip(&format!("link set {device} up"))?;
        }
        namespace.ip("route add local default dev lo table main")?;
        namespace.ip("-6 route add local default dev lo table main")?;
        let arrivals = Arrivals::watch(&namespace, OWN)?;
        Ok(Self {
            namespace,
            arrivals,
            served: Served::default(),
            tasks: JoinSet::new(),
            certificates: Vec::new(),
            servers: Vec::new(),
        })
    }

    pub(super) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub(super) fn arrivals(&self) -> &Arrivals {
        &self.arrivals
    }

    pub(super) fn served(&self) -> &Served {
        &self.served
    }

    pub(super) fn certificate(&self, name: &str) -> anyhow::Result<String> {
        let found = self.certificates.iter().find(|certificate| certificate.name == name);
        let found = found.with_context(|| format!("{name} has no certificate"))?;
        Ok(std::fs::read_to_string(found.directory.join(Certificate::CERTIFICATE))?)
    }

    /// An address that a socket can be bound to.
    pub(super) fn answer_as(&mut self, address: IpAddr) -> anyhow::Result<()> {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        self.namespace.ip(&format!("address add {address}/{bits} dev lo nodad"))?;
        for port in UDP {
            let socket = self.udp((address, port).into())?;
            self.tasks.spawn(echo(socket, self.served.clone()));
        }
        Ok(())
    }

    /// Servers at every address; the names that have a certificate share those of TLS.
    pub(super) async fn serve(&mut self, certificates: &[Certificate]) -> anyhow::Result<()> {
        let mut places = Vec::new();
        for certificate in certificates {
            let (server, socket) = tls_server(certificate).await?;
            self.servers.push(server);
            places.push((certificate.name, socket));
        }
        self.certificates = certificates.to_vec();
        let places: Arc<[(&'static str, PathBuf)]> = places.into();
        for port in HTTP.into_iter().chain(HTTPS).chain(TALKERS) {
            let listener = tcp(&self.namespace, port)?;
            let (served, places) = (self.served.clone(), Arc::clone(&places));
            self.tasks.spawn(async move {
                let mut open = JoinSet::new();
                while let Ok((stream, from)) = listener.accept().await {
                    let (served, places) = (served.clone(), Arc::clone(&places));
                    open.spawn(async move {
                        // Whoever leaves half-way has been written down.
                        let _ = speak(port, stream, from, &served, &places).await;
                    });
                }
            });
        }
        Ok(())
    }

    /// Answers questions at an address of its own, over UDP and TCP.
    pub(super) fn resolve(&mut self, at: SocketAddr, zone: &Zone) -> anyhow::Result<()> {
        let (socket, own) = (self.udp(at)?, zone.clone());
        self.tasks.spawn(async move {
            let mut question = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut question).await {
                if let Some(answer) = dns::answer(&question[..length], from, &own, true) {
                    let _ = socket.send_to(&answer, from).await;
                }
            }
        });
        let bound = self.namespace.within(|| TcpListener::bind(at))??;
        let (listener, zone) = (listener(bound)?, zone.clone());
        self.tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((stream, from)) = listener.accept().await {
                let zone = zone.clone();
                open.spawn(async move {
                    let _ = answer_over_tcp(stream, from, &zone).await;
                });
            }
        });
        Ok(())
    }

    fn udp(&self, at: SocketAddr) -> anyhow::Result<tokio::net::UdpSocket> {
        let socket = self.namespace.within(|| UdpSocket::bind(at))?;
        let socket = socket.with_context(|| format!("binding {at}"))?;
        socket.set_nonblocking(true)?;
        Ok(tokio::net::UdpSocket::from_std(socket)?)
    }
}

/// Sockets that are left are a story's fault, and these are ours.
impl Drop for Far {
    fn drop(&mut self) {
        for certificate in &self.certificates {
            let _ = std::fs::remove_file(certificate.directory.join(SOCKET));
        }
    }
}

/// At every address of a namespace, for as long as the runtime lives: notes who comes, and says so.
pub(super) fn listen(namespace: &Namespace, port: u16, served: &Served) -> anyhow::Result<()> {
    let (listener, served) = (tcp(namespace, port)?, served.clone());
    tokio::spawn(async move {
        while let Ok((mut stream, from)) = listener.accept().await {
            if let Ok(at) = stream.local_addr() {
                served.note(plain(from), plain(at), "");
            }
            let _ = stream.write_all(b"this is the host\n").await;
        }
    });
    Ok(())
}

fn tcp(namespace: &Namespace, port: u16) -> anyhow::Result<tokio::net::TcpListener> {
    let at = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let bound = namespace.within(|| TcpListener::bind(at))?;
    listener(bound.with_context(|| format!("listening at {at}"))?)
}

fn listener(bound: TcpListener) -> anyhow::Result<tokio::net::TcpListener> {
    bound.set_nonblocking(true)?;
    Ok(tokio::net::TcpListener::from_std(bound)?)
}

async fn echo(socket: tokio::net::UdpSocket, served: Served) {
    let mut datagram = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
        if let Ok(at) = socket.local_addr() {
            served.note(from, at, "");
        }
        let _ = socket.send_to(&datagram[..length], from).await;
    }
}

async fn answer_over_tcp(
    mut stream: TcpStream,
    from: SocketAddr,
    zone: &Zone,
) -> std::io::Result<()> {
    loop {
        let length = usize::from(stream.read_u16().await?);
        let mut question = vec![0; length];
        stream.read_exact(&mut question).await?;
        let Some(answer) = dns::answer(&question, from, zone, false) else { return Ok(()) };
        stream.write_u16(u16::try_from(answer.len()).unwrap_or(u16::MAX)).await?;
        stream.write_all(&answer).await?;
    }
}

async fn speak(
    port: u16,
    mut stream: TcpStream,
    from: SocketAddr,
    served: &Served,
    places: &[(&str, PathBuf)],
) -> std::io::Result<()> {
    let at = plain(stream.local_addr()?);
    let from = plain(from);
    if TALKERS.contains(&port) {
        served.note(from, at, "");
        stream.write_all(b"220 a server that speaks first\r\n").await?;
        let mut rest = Vec::new();
        stream.take(1024).read_to_end(&mut rest).await?;
        return Ok(());
    }
    if HTTP.contains(&port) {
        return http(stream, from, at, served).await;
    }
    let mut greeting = vec![0; 4096];
    let length = stream.peek(&mut greeting).await?;
    let named = |name: &str| greeting[..length].windows(name.len()).any(|s| s == name.as_bytes());
    let place = places.iter().find(|(name, _)| named(name));
    served.note(from, at, place.map_or("", |(name, _)| name));
    // Who names nobody speaks to the first.
    let Some((_, socket)) = place.or(places.first()) else { return Ok(()) };
    let mut server = UnixStream::connect(socket).await?;
    copy_bidirectional(&mut stream, &mut server).await.map(drop)
}

/// Request after request, each answered with the host that it named.
async fn http(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    from: SocketAddr,
    at: SocketAddr,
    served: &Served,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    loop {
        let byte = stream.read_u8().await;
        let Ok(byte) = byte else {
            if head.is_empty() {
                served.note(from, at, "");
            }
            return Ok(());
        };
        head.push(byte);
        if head.len() > MAX_HEAD_BYTES {
            return Ok(());
        }
        if !head.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        head.clear();
        let named = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
        });
        let host = named.unwrap_or_default();
        served.note(from, at, &host);
        let body = format!("this is {host}\n");
        let length = body.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(answer.as_bytes()).await?;
        if text.contains("HTTP/1.0") || text.to_ascii_lowercase().contains("connection: close") {
            return stream.shutdown().await;
        }
    }
}

/// An IPv4 address that came by a socket of both families.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Behind a socket, and it serves one page.
async fn tls_server(certificate: &Certificate) -> anyhow::Result<(Child, PathBuf)> {
    let Certificate { name, directory } = certificate;
    let socket = directory.join(SOCKET);
    let child = Command::new("openssl")
        .args(["s_server", "-unix", SOCKET, "-unlink", "-WWW", "-quiet", "-no_ticket"])
        .args(["-cert", Certificate::CERTIFICATE, "-key", Certificate::KEY])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting a server for {name}"))?;
    until("a server listens", Duration::from_secs(30), async || Ok(socket.exists().then_some(())))
        .await?;
    Ok((child, socket))
}
