//! Which addresses are dialled on behalf of others: no registry outside is this host, its guests, or
//! what the operator wants never to be reached.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use kiln_net::plan::{Cidr, GuestLink, NEVER};
use kiln_registry::upstream::Guard;

use crate::config::NetworkConfig;

/// Nothing is sent to it.
const DISCARD_PORT: u16 = 9;

pub(super) fn guard(network: Option<&NetworkConfig>) -> Guard {
    let mut blocks: Vec<Cidr> = NEVER.iter().filter_map(|block| block.parse().ok()).collect();
    let mut links = Vec::new();
    if let Some(NetworkConfig { link, pools, never, .. }) = network {
        blocks.extend(pools.iter().chain(never));
        let GuestLink { guest, gateway, six } = *link;
        links.extend([IpAddr::from(guest), gateway.into()]);
        links.extend(six.iter().flat_map(|six| [IpAddr::from(six.guest), six.gateway.into()]));
    }
    Guard::new(move |address| {
        let is_listed = blocks.iter().any(|block| block.contains(address));
        !is_listed && !links.contains(&address) && !is_the_hosts(address)
    })
}

/// Asked of the kernel each time, since addresses come and go: what is its own it reaches from
/// itself, so a socket that would speak to it has it as its own address as well.
fn is_the_hosts(address: IpAddr) -> bool {
    let any: SocketAddr = match address {
        IpAddr::V4(_) => ([0; 4], 0).into(),
        IpAddr::V6(_) => ([0; 16], 0).into(),
    };
    let own = UdpSocket::bind(any).and_then(|socket| {
        socket.connect(SocketAddr::new(address, DISCARD_PORT))?;
        socket.local_addr()
    });
    // What has no route is nobody's.
    own.is_ok_and(|own| own.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_hosts_own_is_known() {
        assert!(is_the_hosts("127.0.0.1".parse().unwrap()));
        for other in ["192.0.2.1", "2001:db8::1", "255.255.255.255"] {
            assert!(!is_the_hosts(other.parse().unwrap()), "{other}");
        }
    }
}
