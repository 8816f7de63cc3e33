//! The listening sockets that a gateway is started with.

use std::{
    io,
    net::{TcpListener as StdTcpListener, UdpSocket as StdUdpSocket},
    os::{
        fd::{FromRawFd, OwnedFd, RawFd},
        unix::net::UnixListener as StdUnixListener,
    },
};

use kiln_net::control::{
    CONTROL_FD, DNS_TCP_FD, DNS_TCP6_FD, DNS_UDP_FD, DNS_UDP6_FD, REGISTRY_FD, REGISTRY6_FD,
    SPLICE_FD, SPLICE6_FD,
};
use rustix::net::{AddressFamily, SocketType, sockopt};
use tokio::net::{TcpListener, UdpSocket, UnixListener};

#[derive(Debug, thiserror::Error)]
pub(super) enum DescriptorError {
    #[error("descriptor {number} is not open; it should be {expected}")]
    Missing { number: RawFd, expected: &'static str, source: io::Error },
    #[error("descriptor {number} is not {expected}")]
    Other { number: RawFd, expected: &'static str },
}

#[derive(Debug)]
pub(super) struct Descriptors {
    pub(super) control: UnixListener,
    pub(super) dns_udp: Vec<UdpSocket>,
    pub(super) dns_tcp: Vec<TcpListener>,
    pub(super) splice: Vec<TcpListener>,
    pub(super) registry: Vec<TcpListener>,
}

impl Descriptors {
    /// Once in a process, before it opens anything that could get one of the numbers.
    pub(super) fn inherited(six: bool) -> Result<Self, DescriptorError> {
        let control = Expected {
            number: CONTROL_FD,
            what: "a listening unix socket",
            family: AddressFamily::UNIX,
            kind: SocketType::STREAM,
        };
        let mut descriptors = Self {
            control: control.take(|owned| UnixListener::from_std(StdUnixListener::from(owned)))?,
            dns_udp: vec![udp(DNS_UDP_FD, AddressFamily::INET)?],
            dns_tcp: vec![tcp(DNS_TCP_FD, AddressFamily::INET)?],
            splice: vec![tcp(SPLICE_FD, AddressFamily::INET)?],
            registry: vec![tcp(REGISTRY_FD, AddressFamily::INET)?],
        };
        if six {
            descriptors.dns_udp.push(udp(DNS_UDP6_FD, AddressFamily::INET6)?);
            descriptors.dns_tcp.push(tcp(DNS_TCP6_FD, AddressFamily::INET6)?);
            descriptors.splice.push(tcp(SPLICE6_FD, AddressFamily::INET6)?);
            descriptors.registry.push(tcp(REGISTRY6_FD, AddressFamily::INET6)?);
        }
        Ok(descriptors)
    }
}

fn udp(number: RawFd, family: AddressFamily) -> Result<UdpSocket, DescriptorError> {
    Expected { number, what: "a bound UDP socket", family, kind: SocketType::DGRAM }
        .take(|owned| UdpSocket::from_std(StdUdpSocket::from(owned)))
}

fn tcp(number: RawFd, family: AddressFamily) -> Result<TcpListener, DescriptorError> {
    Expected { number, what: "a listening TCP socket", family, kind: SocketType::STREAM }
        .take(|owned| TcpListener::from_std(StdTcpListener::from(owned)))
}

struct Expected {
    number: RawFd,
    what: &'static str,
    family: AddressFamily,
    kind: SocketType,
}

impl Expected {
    fn take<T>(self, make: impl FnOnce(OwnedFd) -> io::Result<T>) -> Result<T, DescriptorError> {
        let Self { number, what: expected, family, kind } = self;
        let missing = |source| DescriptorError::Missing { number, expected, source };
        // SAFETY: the number is looked at and nothing more; one that is not open is an error.
        let seen = unsafe { rustix::fd::BorrowedFd::borrow_raw(number) };
        rustix::io::fcntl_setfd(seen, rustix::io::FdFlags::CLOEXEC)
            .map_err(|errno| missing(errno.into()))?;
        let other = || DescriptorError::Other { number, expected };
        let fits = sockopt::socket_domain(seen).is_ok_and(|own| own == family)
            && sockopt::socket_type(seen).is_ok_and(|own| own == kind)
            && (kind == SocketType::DGRAM || sockopt::socket_acceptconn(seen).unwrap_or(false));
        if !fits {
            return Err(other());
        }
        rustix::io::ioctl_fionbio(seen, true).map_err(|_| other())?;
        // SAFETY: it is open, and a socket that whoever started this process made for it under
        // this number. Each number is taken once: `inherited` names each once and is called once,
        // and what the process opened itself by now is no listening socket of such a family.
        let owned = unsafe { OwnedFd::from_raw_fd(number) };
        make(owned).map_err(|_| other())
    }
}
