//! What came out of a link, frame by frame, whoever listens and whoever does not.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvFlags, SocketFlags, SocketType, eth, recv, socket_with,
        sockopt::{Timeout, set_socket_recv_buffer_size, set_socket_timeout},
    },
};

use crate::Namespace;

/// How long a frame may take from the link to the list.
const PAUSE: Duration = Duration::from_millis(50);
/// More than any story sends in that time.
const BUFFER_BYTES: usize = 8 << 20;
const ICMP: u8 = 1;
const UDP: u8 = 17;
const ICMP6: u8 = 58;

/// Packets of one kind to one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    pub source: IpAddr,
    pub destination: IpAddr,
    /// As IP numbers it.
    pub protocol: u8,
    /// 0 where the protocol has none.
    pub port: u16,
    pub packets: u64,
}

impl fmt::Display for Arrival {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, destination, protocol, port, packets } = self;
        write!(formatter, "{packets} × {source} → {destination} protocol {protocol} port {port}")
    }
}

type Key = (IpAddr, IpAddr, u8, u16);

/// All that came so far.
#[derive(Debug)]
pub struct Arrivals {
    seen: Arc<Mutex<BTreeMap<Key, u64>>>,
    end: Arc<AtomicBool>,
    watching: Option<JoinHandle<()>>,
}

impl Arrivals {
    /// Of the one link of a namespace, which has this address there.
    pub(super) fn watch(namespace: &Namespace, own: [u8; 6]) -> anyhow::Result<Self> {
        let socket = namespace.within(|| {
            let (family, flags) = (AddressFamily::PACKET, SocketFlags::CLOEXEC);
            let socket = socket_with(family, SocketType::RAW, flags, Some(eth::ALL))?;
            set_socket_recv_buffer_size(&socket, BUFFER_BYTES)?;
            set_socket_timeout(&socket, Timeout::Recv, Some(PAUSE))?;
            Ok::<_, Errno>(socket)
        })?;
        let socket = socket.context("watching a link")?;
        let (seen, end) = (Arc::new(Mutex::default()), Arc::new(AtomicBool::new(false)));
        let (list, ended) = (Arc::clone(&seen), Arc::clone(&end));
        let watching = thread::spawn(move || {
            let mut frame = vec![0; 65_536];
            while !ended.load(Ordering::Relaxed) {
                // A pause in which nothing came is an error too.
                let Ok((_, length)) = recv(&socket, &mut frame[..], RecvFlags::empty()) else {
                    continue;
                };
                if let Some(key) = read(&frame[..length], own) {
                    let mut list = lock(&list);
                    *list.entry(key).or_insert(0) += 1;
                }
            }
        });
        Ok(Self { seen, end, watching: Some(watching) })
    }

    /// Once what is on its way has been written down.
    pub fn all(&self) -> Vec<Arrival> {
        thread::sleep(PAUSE * 2);
        let arrival = |(&(source, destination, protocol, port), &packets): (&Key, &u64)| Arrival {
            source,
            destination,
            protocol,
            port,
            packets,
        };
        lock(&self.seen).iter().map(arrival).collect()
    }

    pub fn forget(&self) {
        thread::sleep(PAUSE * 2);
        lock(&self.seen).clear();
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        if let Some(watching) = self.watching.take() {
            let _ = watching.join();
        }
    }
}

fn lock(list: &Mutex<BTreeMap<Key, u64>>) -> std::sync::MutexGuard<'_, BTreeMap<Key, u64>> {
    list.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `None` for what this end sent, for what is on its loopback, and for neighbours that look for each
/// other, which no router passes on.
fn read(frame: &[u8], own: [u8; 6]) -> Option<Key> {
    let (to, from) = (frame.get(..6)?, frame.get(6..12)?);
    if from == own || (to == [0; 6] && from == [0; 6]) {
        return None;
    }
    let packet = frame.get(14..)?;
    match frame.get(12..14)? {
        [0x08, 0x00] => {
            let address = |at: usize| {
                let octets: [u8; 4] = packet.get(at..at + 4)?.try_into().ok()?;
                Some(IpAddr::from(Ipv4Addr::from(octets)))
            };
            let header = usize::from(packet.first()? & 15) * 4;
            let protocol = *packet.get(9)?;
            if protocol == ICMP && is_too_late(packet.get(header..)?) {
                return None;
            }
            Some((address(12)?, address(16)?, protocol, port(protocol, packet.get(header..)?)))
        }
        [0x86, 0xdd] => {
            let address = |at: usize| {
                let octets: [u8; 16] = packet.get(at..at + 16)?.try_into().ok()?;
                Some(Ipv6Addr::from(octets))
            };
            let (protocol, payload) = (*packet.get(6)?, packet.get(40..)?);
            let (from, to) = (address(8)?, address(24)?);
            let is_of_link = to.is_multicast() || from.is_unicast_link_local();
            let is_search = protocol == ICMP6 && matches!(payload.first()?, 133..=137);
            if is_of_link || is_search {
                return None;
            }
            Some((from.into(), to.into(), protocol, port(protocol, payload)))
        }
        _ => None,
    }
}

/// That nobody waits any more for what a resolver answered: whoever asked has died. The kernel that
/// was answered says so, and quotes the answer.
fn is_too_late(message: &[u8]) -> bool {
    let quoted = message.get(8..).unwrap_or_default();
    let header = quoted.first().map_or(0, |first| usize::from(first & 15) * 4);
    message.starts_with(&[3, 3])
        && quoted.get(9) == Some(&UDP)
        && quoted.get(header..header + 2) == Some(&[0, 53])
}

fn port(protocol: u8, payload: &[u8]) -> u16 {
    match (protocol, payload.get(2..4)) {
        (6 | 17, Some(&[high, low])) => u16::from_be_bytes([high, low]),
        _ => 0,
    }
}
