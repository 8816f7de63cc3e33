//! Ways to a metadata endpoint: its addresses, its disguises, and routes that lead by it.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Case, TARGET, own};
use crate::{
    Link,
    frame::{
        ACK, ICMP, IPV6, SYN, TCP, UDP, echo, ethernet, ipv4, ipv6, pseudo4, pseudo6, tcp, udp,
    },
};

/// Of those who offer one.
const ADDRESSES: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 255, 255),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
];
const ADDRESSES6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0xa9fe, 0xa9fe),
];

pub(super) fn cases(link: &Link) -> Vec<Case> {
    let from = link.address;
    let mut cases = Vec::new();
    for to in ADDRESSES {
        let pseudo = pseudo4(from, to);
        for (what, protocol, payload) in [
            ("syn", TCP, tcp(pseudo, 40_001, 80, SYN)),
            ("udp", UDP, udp(pseudo, 40_001, 80, b"GET /latest/meta-data/")),
        ] {
            let frame = own(link, &ipv4(from, to, protocol, &[], &payload));
            cases.push(Case { name: format!("{what} to {to}"), frame });
        }
    }
    let real = ADDRESSES[0];
    let pseudo = pseudo4(from, real);
    for (what, protocol, payload) in [
        ("ack", TCP, tcp(pseudo, 40_001, 80, ACK)),
        ("syn to another port", TCP, tcp(pseudo, 40_001, 8080, SYN)),
        ("echo", ICMP, echo(8, 0)),
        ("sctp", 132, vec![0; 12]),
    ] {
        let frame = own(link, &ipv4(from, real, protocol, &[], &payload));
        cases.push(Case { name: format!("{what} to {real}"), frame });
    }
    for (option, what) in [(0x83, "loosely"), (0x89, "strictly")] {
        // By way of an address that may be reached; and by way of it to one.
        for (by, to) in [(TARGET, real), (real, TARGET)] {
            let mut options = vec![option, 7, 4];
            options.extend(to.octets());
            options.push(0);
            let payload = tcp(pseudo4(from, to), 40_001, 80, SYN);
            let frame = own(link, &ipv4(from, by, TCP, &options, &payload));
            cases.push(Case { name: format!("{what} by {by} to {to}"), frame });
        }
    }
    let from = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
    for to in ADDRESSES6 {
        let packet = ipv6(from, to, TCP, &tcp(pseudo6(from, to), 40_001, 80, SYN));
        let frame = ethernet(link.gateway_mac, link.mac, IPV6, &packet);
        cases.push(Case { name: format!("syn to {to}"), frame });
    }
    cases
}
