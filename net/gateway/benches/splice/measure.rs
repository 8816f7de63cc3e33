//! Two ways from a guest's namespace to a host's, both over a gateway's: forwarded by its kernel, and
//! through the splice.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    process::Command,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, Instant},
};

use kiln_gateway::{control::Control, gateway::Gateway, recorder::Recorder};
use kiln_net::{
    control::GatewayConfig, name::Name, namespace::Namespace, plan::GuestLink, policy::Policy,
};

const BYTES: usize = 512 << 20;
const HOST: [u8; 4] = [203, 0, 113, 2];
const THROUGH: u16 = 5001;
const DIRECT: u16 = 5002;

/// Of the gateway's namespace; the others' are given as paths.
const SETUP: &str = "
set -e
ip link set lo up
ip link add guest type veth peer name eth0 netns $1
ip link add uplink type veth peer name eth0 netns $2
ip address add 198.51.100.1/24 dev guest
ip address add 203.0.113.1/24 dev uplink
ip link set guest up
ip link set uplink up
echo 1 >/proc/sys/net/ipv4/ip_forward
nft -f - <<'END'
table inet bench {
  chain prerouting {
    type nat hook prerouting priority dstnat
    iifname guest tcp dport 5001 redirect to :15001
  }
}
END
";
const END: &str = "
set -e
ip link set lo up
ip address add $1/24 dev eth0
ip link set eth0 up
ip route add default via $2
";

/// One turn of each, in gigabytes a second.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) through: f64,
    pub(crate) direct: f64,
}

impl Turn {
    pub(crate) fn ratio(&self) -> f64 {
        self.through / self.direct
    }
}

pub(crate) fn throughput(turns: usize) -> io::Result<Vec<Turn>> {
    let (guest, gateway, host) = (Namespace::make()?, Namespace::make()?, Namespace::make()?);
    let path = |namespace: &Namespace| -> io::Result<_> {
        let descriptor = namespace.descriptor()?;
        let path = format!("/proc/{}/fd/{}", std::process::id(), descriptor.as_raw_fd());
        Ok((descriptor, path))
    };
    let (of_guest, of_host) = (path(&guest)?, path(&host)?);
    gateway.enter(|| run(SETUP, &[&of_guest.1, &of_host.1]))?;
    guest.enter(|| run(END, &["198.51.100.2", "198.51.100.1"]))?;
    host.enter(|| run(END, &["203.0.113.2", "203.0.113.1"]))?;

    for port in [THROUGH, DIRECT] {
        let listener = host.enter(move || TcpListener::bind(SocketAddr::from((HOST, port))))?;
        thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(sink(stream))));
    }
    serve(&gateway)?;
    guest.enter(|| {
        // Each once, to warm up.
        send(THROUGH)?;
        send(DIRECT)?;
        (0..turns).map(|_| Ok(Turn { through: send(THROUGH)?, direct: send(DIRECT)? })).collect()
    })
}

fn run(script: &str, arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("sh").args(["-c", script, "sh"]).args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Until it ends, and says so.
fn sink(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 256 << 10];
    while stream.read(&mut buffer)? > 0 {}
    stream.write_all(b"!")
}

fn send(port: u16) -> io::Result<f64> {
    let mut stream = TcpStream::connect(SocketAddr::from((HOST, port)))?;
    let buffer = vec![7; 256 << 10];
    let begun = Instant::now();
    for _ in 0..BYTES / buffer.len() {
        stream.write_all(&buffer)?;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_exact(&mut [0])?;
    #[expect(clippy::cast_precision_loss, reason = "a handful of digits are told")]
    Ok(BYTES as f64 / begun.elapsed().as_secs_f64() / 1e9)
}

/// The splice, on a thread of its own for as long as the process lasts.
fn serve(namespace: &Namespace) -> io::Result<()> {
    let namespace = namespace.descriptor()?;
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        let served = (|| {
            rustix::thread::move_into_link_name_space(
                std::os::fd::AsFd::as_fd(&namespace),
                Some(rustix::thread::LinkNameSpaceType::Network),
            )?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::bind("198.51.100.1:15001").await?;
                let gateway = gateway()?;
                let _ = ready.send(Ok(()));
                Err(kiln_gateway::splice::serve(Arc::new(gateway), vec![listener]).await)
            })
        })();
        let _ = ready.send(served);
    });
    is_ready.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into()))
}

fn gateway() -> io::Result<Gateway> {
    let directory = tempfile::tempdir()?;
    let record = directory.path().join("egress.log");
    let recorder = Recorder::open(&record, 1 << 20)?;
    let link =
        GuestLink { guest: [198, 51, 100, 2].into(), gateway: [198, 51, 100, 1].into(), six: None };
    let policy: Policy =
        format!("allow=one.test:{THROUGH}/tcp").parse().map_err(io::Error::other)?;
    let config = GatewayConfig {
        policy,
        link,
        endpoints: Vec::new(),
        never: Vec::new(),
        connections: 16,
        registry: true,
        record,
        record_bytes: 1 << 20,
    };
    let gateway = Gateway::new(config, recorder, Control::default());
    let name: Name = "one.test".parse().map_err(io::Error::other)?;
    gateway.admitted.admit(&name, &[IpAddr::from(HOST)], Duration::from_secs(3600));
    Ok(gateway)
}
