//! Datagrams from a TAP to a server and back, through the rules and without any.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    net::UdpSocket,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use kiln_net::{
    host::Host,
    namespace::Namespace,
    network::{Network, TAP_PART},
    plan::{GATEWAY_MAC, GUEST_MAC, Plan, Reach},
};
use tempfile::TempDir;

use crate::stage::{LIMITS, host_namespace, ip, network, set};

const GUEST: [u8; 4] = [198, 19, 255, 254];
const SERVER: [u8; 4] = [203, 0, 113, 80];
const SINK: u16 = 9;
const ECHO: u16 = 7;
/// As much as one datagram on the wire carries, and as many of them as a guest hands over at once.
const PAYLOAD: usize = 1472;
const TOGETHER: usize = 40;
/// Of the server that counts them.
const ROOM_BYTES: usize = 8 << 20;

/// One machine whose guest is us.
pub(crate) struct Path {
    tap: File,
    heard: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    _kept: (Namespace, Host, Network, TempDir),
}

impl Path {
    pub(crate) fn new(filtered: bool) -> anyhow::Result<Self> {
        let (namespace, internet) = host_namespace()?;
        let run = TempDir::new()?;
        let mut host =
            namespace.enter(|| Host::prepare(network(), run.path()).map_err(io::Error::other))?;
        let plan = Plan { reach: Reach::Internet, limits: LIMITS };
        let made = namespace.enter(|| host.make("bench", &plan).map_err(io::Error::other))?;
        let tap = made.parts().find(|(name, _)| *name == TAP_PART).context("there is no TAP")?.1;
        let tap = File::from(tap.try_clone_to_owned()?);
        if !filtered {
            unfilter(&namespace, &internet, &made)?;
        }
        let (heard, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let sink = internet.enter(|| UdpSocket::bind((std::net::Ipv4Addr::from(SERVER), SINK)))?;
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&sink, ROOM_BYTES)?;
        let echo = internet.enter(|| UdpSocket::bind((std::net::Ipv4Addr::from(SERVER), ECHO)))?;
        serve(sink, Arc::clone(&over), {
            let heard = Arc::clone(&heard);
            move |_, _, _| {
                heard.fetch_add(1, Ordering::Relaxed);
            }
        })?;
        serve(echo, Arc::clone(&over), |socket, bytes, from| {
            let _lost = socket.send_to(bytes, from);
        })?;
        Ok(Self { tap, heard, over, _kept: (namespace, host, made, run) })
    }

    /// Seconds that so many datagrams take; what is written has gone all the way.
    pub(crate) fn send(&self, count: u64) -> anyhow::Result<f64> {
        let frame = datagram(4000, SINK, &vec![b'b'; PAYLOAD * TOGETHER]);
        let before = self.heard.load(Ordering::Relaxed);
        let begun = Instant::now();
        for sent in (0..count).step_by(TOGETHER) {
            (&self.tap).write_all(&frame)?;
            // A server that is slower than the way to it would lose some.
            while sent.saturating_sub(self.heard.load(Ordering::Relaxed) - before) > TOGETHER as u64
            {
                thread::yield_now();
            }
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.heard.load(Ordering::Relaxed) - before < count {
            ensure!(Instant::now() < deadline, "datagrams were lost");
            thread::yield_now();
        }
        Ok(begun.elapsed().as_secs_f64())
    }

    /// Seconds there and back.
    pub(crate) fn ask(&self) -> anyhow::Result<f64> {
        let frame = datagram(4001, ECHO, b"there and back");
        let begun = Instant::now();
        (&self.tap).write_all(&frame)?;
        let mut buffer = [0; 2048];
        loop {
            let length = (&self.tap).read(&mut buffer)?;
            if buffer[..length].ends_with(b"there and back") {
                return Ok(begun.elapsed().as_secs_f64());
            }
        }
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

fn serve(
    socket: UdpSocket,
    over: Arc<AtomicBool>,
    each: impl Fn(&UdpSocket, &[u8], std::net::SocketAddr) + Send + 'static,
) -> anyhow::Result<()> {
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    thread::spawn(move || {
        let mut buffer = [0; 2048];
        while !over.load(Ordering::Relaxed) {
            if let Ok((length, from)) = socket.recv_from(&mut buffer) {
                each(&socket, &buffer[..length], from);
            }
        }
    });
    Ok(())
}

/// The same links, and a way there and back without a mark, a rule or a translation.
fn unfilter(host: &Namespace, internet: &Namespace, made: &Network) -> anyhow::Result<()> {
    let machine = Namespace::of(made.namespace())?;
    for namespace in [&machine, host] {
        let flushed = namespace.enter(|| Command::new("nft").arg("flush ruleset").output())?;
        ensure!(flushed.status.success());
    }
    let interface = &made.lease().interface;
    let leased = made.lease().address;
    ip(&machine, "rule add pref 50 iif guest lookup 100\n")?;
    ip(
        host,
        &format!(
            "rule add pref 50 iif {interface} lookup main\nroute add 198.19.255.254/32 via {leased} dev {interface} onlink\n"
        ),
    )?;
    ip(internet, "route add 198.19.255.254/32 via 203.0.113.1\n")?;
    set(host, &format!("ipv4/conf/{interface}/rp_filter"), "0")?;
    Ok(())
}

fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = vec![0x45, 0];
    header.extend(length(28 + payload.len()));
    header.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    header.extend(GUEST);
    header.extend(SERVER);
    let sum: u32 =
        header.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(0);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let mut frame = left_to_do(payload.len());
    frame.extend(GATEWAY_MAC);
    frame.extend(GUEST_MAC);
    frame.extend([8, 0]);
    frame.extend(header);
    frame.extend(from.to_be_bytes());
    frame.extend(to.to_be_bytes());
    frame.extend(length(8 + payload.len()));
    frame.extend(begun_sum(8 + payload.len()));
    frame.extend_from_slice(payload);
    frame
}

/// The header before a frame (`virtio_net_hdr`): the checksum, and to cut what is too long.
fn left_to_do(payload: usize) -> Vec<u8> {
    const CHECKSUM: u8 = 1;
    const CUT_DATAGRAMS: u8 = 5;
    let cut = payload > PAYLOAD;
    let size = if cut { u16::try_from(PAYLOAD).unwrap_or(u16::MAX) } else { 0 };
    let mut header = vec![CHECKSUM, if cut { CUT_DATAGRAMS } else { 0 }];
    for field in [42, size, 34, 6] {
        header.extend(field.to_ne_bytes());
    }
    header
}

/// Of the addresses, the protocol and the length: the rest is the kernel's.
fn begun_sum(length: usize) -> [u8; 2] {
    let pairs = [&GUEST[..2], &GUEST[2..], &SERVER[..2], &SERVER[2..]];
    let addresses: u32 =
        pairs.iter().map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    let sum = addresses + 17 + u32::try_from(length).unwrap_or(0);
    let folded = (sum & 0xffff) + (sum >> 16);
    u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap_or(0).to_be_bytes()
}
