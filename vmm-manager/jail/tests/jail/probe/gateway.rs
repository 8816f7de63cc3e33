//! What a gateway does all day, and what it never does.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd},
        unix::net::UnixListener,
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    signal::unix::{SignalKind, signal},
};

use super::{
    answer,
    calls::{NULL, Try, call, scratch, try_each},
    tell,
};

/// Under which numbers it was given its sockets.
pub(crate) const CONTROL: RawFd = 100;
pub(crate) const UDP: RawFd = 101;
pub(crate) const TCP: RawFd = 102;
pub(crate) const UDP6: RawFd = 104;
pub(crate) const TCP6: RawFd = 105;

const ORIGINAL_DESTINATION: i32 = 80;

/// For somebody to come where nobody should, and the other way round.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn try_all() {
    try_each(SOCKETS);
    try_each(OPTIONS);
    try_each(FILES);
}

const SOCKETS: &[Try] = &[
    call!(SYS_socket, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
    call!(SYS_socket, libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW),
    call!(SYS_socket, libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
    call!(SYS_socket, libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
    call!(SYS_socket, libc::AF_INET6, libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6),
    call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
    call!(SYS_socket, libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
    call!(SYS_socket, libc::AF_INET, libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP),
    call!(SYS_socket, libc::AF_PACKET, libc::SOCK_DGRAM, 3),
    call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_DGRAM, libc::NETLINK_ROUTE),
    call!(SYS_socket, libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_NETFILTER),
    call!(SYS_socket, libc::AF_UNIX, libc::SOCK_SEQPACKET, 0),
    call!(SYS_socket, libc::AF_TIPC, libc::SOCK_STREAM, 0),
    call!(SYS_socket, libc::AF_XDP, libc::SOCK_RAW, 0),
    call!(SYS_socketpair, libc::AF_INET6, libc::SOCK_STREAM, 0, scratch()),
    call!(SYS_bind, UDP, scratch(), 16),
    call!(SYS_listen, TCP, 1),
];

const OPTIONS: &[Try] = &[
    call!(SYS_setsockopt, UDP, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, scratch(), 16),
    call!(SYS_setsockopt, UDP, libc::SOL_SOCKET, libc::SO_ATTACH_BPF, scratch(), 4),
    call!(SYS_setsockopt, UDP, libc::SOL_SOCKET, libc::SO_ATTACH_REUSEPORT_CBPF, scratch(), 16),
    call!(SYS_setsockopt, UDP, libc::SOL_SOCKET, libc::SO_MARK, scratch(), 4),
    call!(SYS_setsockopt, UDP, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, scratch(), 4),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_TCP, libc::TCP_ULP, c"tls".as_ptr(), 3),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_TCP, libc::TCP_CONGESTION, c"bbr".as_ptr(), 3),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_TCP, libc::TCP_REPAIR, scratch(), 4),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_TCP, libc::TCP_MD5SIG, scratch(), 200),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_IP, libc::IP_TRANSPARENT, scratch(), 4),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_IP, libc::IP_HDRINCL, scratch(), 4),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_IP, libc::IP_OPTIONS, scratch(), 8),
    call!(SYS_setsockopt, TCP, libc::IPPROTO_IP, 64, scratch(), 84),
    call!(SYS_setsockopt, TCP6, libc::IPPROTO_IPV6, libc::IPV6_RTHDR, scratch(), 8),
    call!(SYS_ioctl, TCP, libc::SIOCGIFCONF, scratch()),
    call!(SYS_ioctl, TCP, libc::SIOCSIFFLAGS, scratch()),
    call!(SYS_ioctl, TCP, libc::SIOCADDRT, scratch()),
];

const FILES: &[Try] = &[
    call!(SYS_memfd_create, c"a".as_ptr(), 0),
    call!(SYS_unlinkat, libc::AT_FDCWD, c"disk".as_ptr(), 0),
    call!(SYS_getdents64, 0, scratch(), 4096),
    call!(SYS_fallocate, 0, 0, 0, 4096),
    call!(SYS_signalfd4, -1, NULL, 8, 0),
    call!(SYS_vmsplice, 1, scratch(), 1, 0),
];

/// With its sockets, of whose peers it is one itself.
pub(super) fn do_all() {
    tell("reads its config", fs::read_to_string("kernel").map(drop));
    tell("appends to its record", appends());
    tell("makes code", answer(makes_code()).map_or(Ok(()), |()| Err(io::ErrorKind::Other.into())));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.and_then(|runtime| runtime.block_on(serves()));
    tell("has a runtime", done);
}

fn appends() -> io::Result<()> {
    let mut record = OpenOptions::new().append(true).open("disk")?;
    record.write_all(b"{\"refused\":{}}\n")?;
    record.sync_data()
}

/// Memory that is written and executed.
fn makes_code() -> i32 {
    let (both, flags) =
        (libc::PROT_WRITE | libc::PROT_EXEC, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: memory that nobody else knows of.
    let made = unsafe { libc::mmap(std::ptr::null_mut(), 4096, both, flags, -1, 0) };
    if made == libc::MAP_FAILED { -1 } else { 0 }
}

async fn serves() -> io::Result<()> {
    tell("waits", timer().await);
    tell("hears signals", signal(SignalKind::terminate()).map(drop));
    tell("speaks with its daemon", control().await);
    for (name, udp, tcp) in [("IPv4", UDP, TCP), ("IPv6", UDP6, TCP6)] {
        tell(&format!("answers datagrams of {name}"), datagrams(udp).await);
        tell(&format!("splices streams of {name}"), streams(tcp).await);
    }
    Ok(())
}

async fn timer() -> io::Result<()> {
    tokio::time::sleep(Duration::from_millis(2)).await;
    Ok(())
}

async fn control() -> io::Result<()> {
    // SAFETY: it was given under this number.
    let listener = unsafe { UnixListener::from_raw_fd(CONTROL) };
    listener.set_nonblocking(true)?;
    let listener = tokio::net::UnixListener::from_std(listener)?;
    tell("listens", Ok(()));
    let (mut daemon, _) = listener.accept().await?;
    daemon.peer_cred()?;
    let mut said = [0; 4];
    daemon.read_exact(&mut said).await?;
    daemon.write_all(&said).await
}

async fn datagrams(number: RawFd) -> io::Result<()> {
    // SAFETY: it was given under this number.
    let socket = unsafe { UdpSocket::from_raw_fd(number) };
    let own = socket.local_addr()?;
    socket.set_nonblocking(true)?;
    let (level, option) = match own {
        SocketAddr::V4(_) => (libc::IPPROTO_IP, libc::IP_PKTINFO),
        SocketAddr::V6(_) => (libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO),
    };
    let (on, length) = (1_i32, 4);
    // SAFETY: it reads a number.
    answer(unsafe { libc::setsockopt(number, level, option, (&raw const on).cast(), length) })?;
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let (asks, family) = (b"ask", if own.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 });
    // SAFETY: a descriptor that it returns is nobody else's.
    let guest = unsafe {
        let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        let made = libc::socket(family, kind, 0);
        answer(made)?;
        UdpSocket::from(OwnedFd::from_raw_fd(made))
    };
    guest.connect(own)?;
    guest.send(asks)?;
    let guest = tokio::net::UdpSocket::from_std(guest)?;
    let mut bytes = [0; 16];
    let (length, from) = socket.recv_from(&mut bytes).await?;
    socket.send_to(&bytes[..length], from).await?;
    let length = guest.recv(&mut bytes).await?;
    if &bytes[..length] == asks { Ok(()) } else { Err(io::ErrorKind::InvalidData.into()) }
}

async fn streams(number: RawFd) -> io::Result<()> {
    // SAFETY: it was given under this number.
    let listener = unsafe { TcpListener::from_raw_fd(number) };
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let address = listener.local_addr()?;
    let dialled = tokio::net::TcpStream::connect(address);
    let (mut guest, accepted) = tokio::try_join!(dialled, listener.accept())?;
    let (mut inner, peer) = accepted;
    inner.set_nodelay(true)?;
    inner.set_zero_linger()?;
    let original = original_destination(inner.as_raw_fd(), peer);
    // Nothing has redirected it; to ask is allowed.
    match original.err().and_then(|error| error.raw_os_error()) {
        None | Some(libc::ENOENT | libc::ENOPROTOOPT) => {}
        Some(other) => return Err(io::Error::from_raw_os_error(other)),
    }
    guest.write_all(b"hello").await?;
    inner.readable().await?;
    let (reads, writes) = io::pipe()?;
    for (from, to) in
        [(inner.as_raw_fd(), writes.as_raw_fd()), (reads.as_raw_fd(), inner.as_raw_fd())]
    {
        let null = std::ptr::null_mut();
        // SAFETY: descriptors that are open, and no offsets.
        let moved = unsafe { libc::splice(from, null, to, null, 5, libc::SPLICE_F_NONBLOCK) };
        answer(i64::try_from(moved).unwrap_or(-1))?;
    }
    let mut said = [0; 5];
    guest.read_exact(&mut said).await?;
    guest.shutdown().await?;
    inner.read(&mut said).await.map(drop)
}

fn original_destination(socket: RawFd, peer: SocketAddr) -> io::Result<()> {
    let level = if peer.is_ipv4() { libc::IPPROTO_IP } else { libc::IPPROTO_IPV6 };
    let mut length = 28;
    // SAFETY: it writes no more than it is told is there.
    answer(unsafe {
        let to = scratch().cast();
        libc::getsockopt(socket, level, ORIGINAL_DESTINATION, to, &raw mut length)
    })
}

/// What comes of a connection to each.
pub(super) fn dial(targets: &[&str]) {
    for target in targets {
        let address: SocketAddr = target.parse().unwrap();
        tell(target, TcpStream::connect_timeout(&address, PATIENCE).map(drop));
    }
}
