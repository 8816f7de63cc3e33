//! ARP and the messages of IPv6's neighbour discovery.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    ARP, IPV6, Mac, ethernet, six,
    transport::{ICMP6, icmp6},
};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Arp {
    pub(crate) operation: u16,
    pub(crate) sender: (Mac, Ipv4Addr),
    pub(crate) target: (Mac, Ipv4Addr),
}

impl Arp {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = vec![0, 1, 8, 0, 6, 4];
        body.extend(self.operation.to_be_bytes());
        for (mac, address) in [self.sender, self.target] {
            body.extend(mac);
            body.extend(address.octets());
        }
        body
    }

    pub(crate) fn frame(&self, to: Mac, from: Mac) -> Vec<u8> {
        ethernet(to, from, ARP, &self.bytes())
    }
}

pub(crate) const ROUTER_SOLICITATION: u8 = 133;
pub(crate) const ROUTER_ADVERTISEMENT: u8 = 134;
pub(crate) const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
pub(crate) const REDIRECT: u8 = 137;

/// One of the above, about `target`.
pub(crate) fn discovery(
    macs: (Mac, Mac),
    from: Ipv6Addr,
    to: Ipv6Addr,
    kind: u8,
    hops: u8,
    target: Ipv6Addr,
) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 0];
    body.extend(target.octets());
    let message = icmp6(IpAddr::V6(from), IpAddr::V6(to), kind, 0, &body);
    ethernet(macs.0, macs.1, IPV6, &six::packet(from, to, ICMP6, hops, &message))
}
