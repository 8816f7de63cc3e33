//! What the engine wants of others than registries, which it gets as any program of the guest would:
//! by the rules of the job's network, and nothing of it is looked at.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{net::TcpStream, time::timeout};

use super::{
    connect::{Host, Target},
    names,
};
use crate::network::Network;

const PATIENCE: Duration = Duration::from_secs(10);
const DNS_PORT: u16 = 53;

/// Never the guest itself: a program that may not speak with a service of another user's, or hears
/// what the agent says, would get to it as root.
pub(super) async fn dial(network: &Network, target: &Target) -> io::Result<TcpStream> {
    let resolver = (network.ipv4.gateway, DNS_PORT).into();
    let addresses = match &target.host {
        Host::Address(address) => vec![*address],
        Host::Name(name) => names::resolve(resolver, name, network.ipv6.is_some()).await?,
    };
    let mut last = io::ErrorKind::NotFound.into();
    for address in addresses {
        if is_own(network, address) {
            last = io::ErrorKind::PermissionDenied.into();
            continue;
        }
        let dialled = TcpStream::connect(SocketAddr::new(address, target.port));
        match timeout(PATIENCE, dialled).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(last)
}

fn is_own(network: &Network, address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(four) => {
            // All of 0.0.0.0/8 is this host.
            four.is_loopback()
                || four.octets()[0] == 0
                || four.is_link_local()
                || four.is_multicast()
                || four.is_broadcast()
                || four == network.ipv4.address
        }
        IpAddr::V6(six) => {
            six.is_loopback()
                || six.is_unspecified()
                || six.is_unicast_link_local()
                || six.is_multicast()
                || network.ipv6.is_some_and(|own| own.address == six)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Link;

    #[test]
    fn the_guest_itself_is_never_dialled() {
        let network = Network {
            mac: [2; 6],
            gateway_mac: None,
            mtu: 1500,
            ipv4: Link {
                address: [192, 0, 2, 2].into(),
                prefix: 30,
                gateway: [192, 0, 2, 1].into(),
            },
            ipv6: Some(Link {
                address: "2001:db8::2".parse().unwrap(),
                prefix: 126,
                gateway: "2001:db8::1".parse().unwrap(),
            }),
        };
        for own in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.2",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:192.0.2.2",
            "fe80::1",
            "ff02::1",
            "2001:db8::2",
        ] {
            assert!(is_own(&network, own.parse().unwrap()), "{own}");
        }
        for other in ["192.0.2.1", "203.0.113.1", "2001:db8::1", "::ffff:203.0.113.1"] {
            assert!(!is_own(&network, other.parse().unwrap()), "{other}");
        }
    }
}
