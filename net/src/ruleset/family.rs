//! The two families, each with its addresses on this network, so that a rule is written once.

use std::net::{IpAddr, Ipv6Addr};

use super::{
    expression::{Expression, address, concat, meta, payload, set},
    statement::{Statement, is},
};
use crate::{
    plan::{Cidr, GuestLink, HostNetwork, Lease, NEVER},
    ruleset::Ranges,
};

#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) six: bool,
    pub(super) guest: IpAddr,
    pub(super) gateway: IpAddr,
    pub(super) leased: IpAddr,
}

/// IPv6 only where both the link and the lease have it.
pub(super) fn families(link: &GuestLink, lease: &Lease) -> Vec<Family> {
    let four = Family {
        six: false,
        guest: link.guest.into(),
        gateway: link.gateway.into(),
        leased: lease.address.into(),
    };
    let six = link.six.zip(lease.address6).map(|(link, leased)| Family {
        six: true,
        guest: link.guest.into(),
        gateway: link.gateway.into(),
        leased: leased.into(),
    });
    std::iter::once(four).chain(six).collect()
}

impl Family {
    pub(super) fn protocol(&self) -> &'static str {
        if self.six { "ip6" } else { "ip" }
    }

    pub(super) fn address_type(&self) -> &'static str {
        if self.six { "ipv6_addr" } else { "ipv4_addr" }
    }

    /// As `nft` calls it among transports.
    pub(super) fn icmp(&self) -> &'static str {
        if self.six { "ipv6-icmp" } else { "icmp" }
    }

    /// As `nft` calls its header.
    pub(super) fn icmp_header(&self) -> &'static str {
        if self.six { "icmpv6" } else { "icmp" }
    }

    /// A set has one family.
    pub(super) fn set(&self, name: &str) -> String {
        format!("{name}{}", if self.six { 6 } else { 4 })
    }

    pub(super) fn source(&self) -> Expression {
        payload(self.protocol(), "saddr")
    }

    pub(super) fn destination(&self) -> Expression {
        payload(self.protocol(), "daddr")
    }

    pub(super) fn to_gateway(&self) -> Statement {
        is(&self.destination(), &address(self.gateway))
    }

    pub(super) fn to_one_of(&self, name: &str) -> Statement {
        is(&self.destination(), &set(&self.set(name)))
    }

    /// Where a packet goes: address, transport, port.
    pub(super) fn whither(&self) -> Expression {
        concat(&[self.destination(), meta("l4proto"), payload("th", "dport")])
    }

    pub(super) fn whence(&self) -> Expression {
        concat(&[self.source(), meta("l4proto"), payload("th", "sport")])
    }

    pub(super) fn whither_without_port(&self) -> Expression {
        concat(&[self.destination(), meta("l4proto")])
    }

    pub(super) fn whence_without_port(&self) -> Expression {
        concat(&[self.source(), meta("l4proto")])
    }

    pub(super) fn never(&self, host: &HostNetwork) -> Ranges {
        never(host, self.six)
    }

    pub(super) fn own(&self, addresses: &[IpAddr]) -> Vec<IpAddr> {
        addresses.iter().copied().filter(|address| address.is_ipv6() == self.six).collect()
    }
}

/// What no machine reaches: ours, the operator's, the pool that the others have, the link.
pub(super) fn never(host: &HostNetwork, six: bool) -> Ranges {
    let always = NEVER.iter().filter_map(|block| block.parse::<Cidr>().ok());
    let configured = host.never.iter().chain(&host.pools).copied();
    let link = [host.link.guest, host.link.gateway].map(IpAddr::V4);
    let link6 = host.link.six.iter().flat_map(|link| [link.guest, link.gateway]).map(IpAddr::V6);
    let link = link
        .into_iter()
        .chain(link6)
        .filter_map(|address| Cidr::new(address, if address.is_ipv6() { 128 } else { 32 }).ok());
    let blocks: Vec<Cidr> = always
        .chain(configured)
        .chain(link)
        .filter(|block| block.address().is_ipv6() == six)
        .collect();
    Ranges::of_blocks(&blocks)
}

/// What an interface with this hardware address gives itself.
pub(super) fn link_local(mac: [u8; 6]) -> Ipv6Addr {
    let mut octets = [0; 16];
    octets[..2].copy_from_slice(&[0xfe, 0x80]);
    octets[8..11].copy_from_slice(&mac[..3]);
    octets[8] ^= 2;
    octets[11..13].copy_from_slice(&[0xff, 0xfe]);
    octets[13..].copy_from_slice(&mac[3..]);
    octets.into()
}

/// The group in which the holder of an address is asked for.
pub(super) fn solicited(address: Ipv6Addr) -> Ipv6Addr {
    let [.., high, low] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | (high & 0xff), low)
}

pub(super) fn group_mac(group: Ipv6Addr) -> [u8; 6] {
    let [.., a, b, c, d] = group.octets();
    [0x33, 0x33, a, b, c, d]
}

pub(super) const BROADCAST: [u8; 6] = [0xff; 6];
pub(super) const LINK_LOCAL: (Ipv6Addr, u8) = (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);
