//! What the guest's own kernel is asked for: who answers, who refuses, and how soon.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use rustix::io::Errno;

/// Which is long for a refusal.
pub const LIMIT: Duration = Duration::from_secs(5);
const THREADS: u16 = 16;

/// How a try went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Open,
    /// By a reset.
    Refused,
    /// By a message of the network's.
    Prohibited,
    /// By the guest's own kernel, which knows no way.
    NoWay,
    Silent,
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Open => "open",
            Self::Refused => "refused",
            Self::Prohibited => "prohibited",
            Self::NoWay => "no-way",
            Self::Silent => "silent",
        })
    }
}

fn outcome(error: &io::Error) -> Outcome {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::CONNREFUSED | Errno::CONNRESET) => Outcome::Refused,
        // What "administratively prohibited" becomes, in either family.
        Some(Errno::HOSTUNREACH | Errno::ACCESS | Errno::PERM) => Outcome::Prohibited,
        Some(Errno::NETUNREACH | Errno::ADDRNOTAVAIL | Errno::INVAL) => Outcome::NoWay,
        _ if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Outcome::Silent,
        _ => Outcome::NoWay,
    }
}

pub fn tcp(to: SocketAddr) -> (Outcome, Duration) {
    let began = Instant::now();
    let outcome = match TcpStream::connect_timeout(&to, LIMIT) {
        Ok(_) => Outcome::Open,
        Err(error) => outcome(&error),
    };
    (outcome, began.elapsed())
}

/// A datagram, and what comes of it.
pub fn udp(to: SocketAddr, payload: &[u8]) -> (Outcome, Duration) {
    let began = Instant::now();
    let ask = || -> io::Result<()> {
        let any: IpAddr = if to.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.connect(to)?;
        socket.send(payload)?;
        socket.recv(&mut [0; 2048]).map(drop)
    };
    let outcome = ask().map_or_else(|error| outcome(&error), |()| Outcome::Open);
    (outcome, began.elapsed())
}

/// What every port of an address says to a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    pub open: Vec<u16>,
    pub refused: usize,
    /// In another way.
    pub denied: usize,
    pub silent: usize,
}

pub fn scan(address: IpAddr, first: u16, last: u16) -> Scan {
    let mut all = Scan::default();
    let found: Vec<Scan> = thread::scope(|scope| {
        let scans: Vec<_> = (0..THREADS)
            .map(|place| {
                scope.spawn(move || {
                    let mut scan = Scan::default();
                    let ports = first.saturating_add(place)..=last;
                    for port in ports.step_by(usize::from(THREADS)) {
                        match tcp((address, port).into()).0 {
                            Outcome::Open => scan.open.push(port),
                            Outcome::Refused => scan.refused += 1,
                            Outcome::Prohibited | Outcome::NoWay => scan.denied += 1,
                            Outcome::Silent => scan.silent += 1,
                        }
                    }
                    scan
                })
            })
            .collect();
        scans.into_iter().filter_map(|scan| scan.join().ok()).collect()
    });
    for Scan { open, refused, denied, silent } in found {
        all.open.extend(open);
        all.refused += refused;
        all.denied += denied;
        all.silent += silent;
    }
    all.open.sort_unstable();
    all
}
