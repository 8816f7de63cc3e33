//! Where a gateway listens. It has no rights to take these itself, and can listen nowhere else that a
//! guest reaches.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, UdpSocket},
    os::fd::OwnedFd,
};

use rustix::net::listen;

use crate::{
    control::REGISTRY_PORT,
    plan::{DNS_PORT, HostNetwork, SPLICE_PORT},
};

/// Connections that wait to be taken: more than a guest opens at once are refused.
const BACKLOG: i32 = 1024;
const NAMES: [&str; 4] = ["dns-udp", "dns-tcp", "splice", "registry"];
const NAMES6: [&str; 4] = ["dns-udp6", "dns-tcp6", "splice6", "registry6"];

#[derive(Debug, thiserror::Error)]
#[error("the gateway's socket {name} at {address} could not be made")]
pub struct SocketError {
    pub name: &'static str,
    pub address: SocketAddr,
    pub source: io::Error,
}

/// In the namespace that the calling thread is in.
pub(super) fn bind(network: &HostNetwork) -> Result<Vec<(&'static str, OwnedFd)>, SocketError> {
    let mut sockets = of(network.link.gateway.into(), NAMES)?;
    if let Some(six) = &network.link.six {
        sockets.extend(of(six.gateway.into(), NAMES6)?);
    }
    Ok(sockets)
}

fn of(
    gateway: IpAddr,
    [dns_udp, dns_tcp, splice, registry]: [&'static str; 4],
) -> Result<Vec<(&'static str, OwnedFd)>, SocketError> {
    let at = |port| SocketAddr::new(gateway, port);
    let failed = |name, address| move |source| SocketError { name, address, source };
    let listening = |name: &'static str, address: SocketAddr| {
        let listener = TcpListener::bind(address).map_err(failed(name, address))?;
        listen(&listener, BACKLOG).map_err(|error| failed(name, address)(error.into()))?;
        Ok::<_, SocketError>((name, OwnedFd::from(listener)))
    };
    let dns = at(DNS_PORT);
    let questions = UdpSocket::bind(dns).map_err(failed(dns_udp, dns))?;
    Ok(vec![
        (dns_udp, questions.into()),
        listening(dns_tcp, dns)?,
        listening(splice, at(SPLICE_PORT))?,
        listening(registry, at(REGISTRY_PORT))?,
    ])
}
