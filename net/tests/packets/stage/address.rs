//! Who is where. All of it is the documentation's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kiln_net::plan::{GuestLink, GuestLink6, HostNetwork, Lease, Limits, Reach};

pub(crate) const INSTANCE: &str = "packets";
const PREFIX: &str = "kpacket-";

pub(crate) const GUEST4: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 254);
pub(crate) const GATEWAY4: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 253);
pub(crate) const GUEST: IpAddr = IpAddr::V4(GUEST4);
pub(crate) const GATEWAY: IpAddr = IpAddr::V4(GATEWAY4);
pub(crate) const GUEST_SIX: Ipv6Addr = Ipv6Addr::new(0xfd4b, 0x696c, 0x6e, 0, 0, 0, 0, 2);
pub(crate) const GATEWAY_SIX: Ipv6Addr = Ipv6Addr::new(0xfd4b, 0x696c, 0x6e, 0, 0, 0, 0, 1);
pub(crate) const GUEST6: IpAddr = IpAddr::V6(GUEST_SIX);
pub(crate) const GATEWAY6: IpAddr = IpAddr::V6(GATEWAY_SIX);

/// Towards the outside.
pub(crate) const HOST: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
pub(crate) const HOST6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 1));
/// Out there.
pub(crate) const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 80));
pub(crate) const SERVER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x80, 0, 0, 0, 0, 0x80));

pub(crate) fn network(six: bool) -> HostNetwork {
    let pools = ["198.51.100.0/24", "2001:db8:51::/64"];
    HostNetwork {
        instance: INSTANCE.into(),
        prefix: PREFIX.into(),
        link: GuestLink {
            guest: GUEST4,
            gateway: GATEWAY4,
            six: six.then_some(GuestLink6 { guest: GUEST_SIX, gateway: GATEWAY_SIX }),
        },
        pools: pools
            .iter()
            .take(if six { 2 } else { 1 })
            .map(|pool| pool.parse().unwrap())
            .collect(),
        never: vec!["192.0.2.0/24".parse().unwrap()],
        ceiling: Reach::Internet,
        limits: Limits { ..super::WIDE },
    }
}

pub(crate) fn lease(number: u8, six: bool) -> Lease {
    Lease {
        interface: format!("{PREFIX}{number}"),
        address: Ipv4Addr::new(198, 51, 100, 5 + number),
        address6: six
            .then(|| Ipv6Addr::new(0x2001, 0xdb8, 0x51, 0, 0, 0, 0, 5 + u16::from(number))),
    }
}
