//! Ways out by IPv6: plain, by its neighbours' protocol, with headers in between, and in IPv4.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Case, TARGET, own};
use crate::{
    Link,
    frame::{ICMP6, IPV6, SYN, TCP, UDP, echo, ethernet, ipv4, ipv6, pseudo4, pseudo6, tcp, udp},
};

const OUTSIDE: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0xa, 0, 0, 0, 0, 0x77);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);

pub(super) fn cases(link: &Link) -> Vec<Case> {
    let own6 = Ipv6Addr::new(0xfd4b, 0x696c, 0x6e, 0, 0, 0, 0, 2);
    let local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0x4b, 0x69ff, 0xfe6c, 0x6e02);
    let senders =
        [own6, local, Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2), Ipv6Addr::UNSPECIFIED];
    let mut cases = Vec::new();
    let mut add = |name: String, to: [u8; 6], packet: &[u8]| {
        cases.push(Case { name, frame: ethernet(to, link.mac, IPV6, packet) });
    };
    for from in senders {
        let pseudo = pseudo6(from, OUTSIDE);
        for (what, next, payload) in [
            ("syn", TCP, tcp(pseudo, 40_003, 443, SYN)),
            ("udp", UDP, udp(pseudo, 40_003, 53, b"six")),
            ("echo", ICMP6, echo(128, pseudo + u32::from(ICMP6) + 12)),
        ] {
            let packet = ipv6(from, OUTSIDE, next, &payload);
            add(format!("{what} from {from}"), link.gateway_mac, &packet);
        }
    }
    // Router and neighbour, asked for and announced, and who listens to what.
    for (kind, to, what) in [
        (133, ALL_ROUTERS, "a router is asked for"),
        (134, ALL_NODES, "a router is announced"),
        (135, ALL_NODES, "a neighbour is asked for"),
        (136, ALL_NODES, "a neighbour is announced"),
        (137, ALL_NODES, "a redirect"),
        (130, ALL_NODES, "who listens"),
        (143, ALL_ROUTERS, "somebody listens"),
        (151, ALL_ROUTERS, "a router of multicast"),
    ] {
        let mut message = vec![kind, 0, 0, 0, 0, 0, 0, 0];
        message.extend(OUTSIDE.octets());
        add(
            what.to_owned(),
            [0x33, 0x33, 0, 0, 0, to.octets()[15]],
            &ipv6(local, to, ICMP6, &message),
        );
    }
    // Headers before the one that says what it is.
    let pseudo = pseudo6(own6, OUTSIDE);
    let datagram = udp(pseudo, 40_003, 443, b"behind");
    let route = [&[UDP, 2, 0, 1, 0, 0, 0, 0][..], &OUTSIDE.octets()].concat();
    for (next, header, what) in [
        (0, vec![UDP, 0, 5, 2, 0, 0, 1, 0], "behind hop by hop options"),
        (60, vec![UDP, 0, 1, 4, 0, 0, 0, 0], "behind options of the destination"),
        (43, route, "behind a route"),
        (44, vec![UDP, 0, 0, 1, 0, 0, 0, 9], "in a first fragment"),
        (135, vec![UDP, 0, 0, 0, 0, 0, 0, 0], "behind mobility"),
    ] {
        let payload = [header, datagram.clone()].concat();
        add(what.to_owned(), link.gateway_mac, &ipv6(own6, OUTSIDE, next, &payload));
    }
    let packet = ipv6(own6, OUTSIDE, UDP, &datagram);
    add("to everybody".to_owned(), [0xff; 6], &packet);
    let to_all = ipv6(local, ALL_NODES, UDP, &udp(pseudo6(local, ALL_NODES), 5353, 5353, b"all"));
    add("to all nodes".to_owned(), [0x33, 0x33, 0, 0, 0, 1], &to_all);
    cases.extend(in_ipv4(link, &packet));
    cases
}

/// Through relays that somebody may run.
fn in_ipv4(link: &Link, packet: &[u8]) -> Vec<Case> {
    let from = link.address;
    let relays = [Ipv4Addr::new(192, 88, 99, 1), link.gateway, Ipv4Addr::new(10, 0, 0, 6)];
    let mut cases: Vec<_> = relays
        .into_iter()
        .map(|to| Case {
            name: format!("in IPv4 by {to}"),
            frame: own(link, &ipv4(from, to, 41, &[], packet)),
        })
        .collect();
    let teredo = udp(pseudo4(from, link.gateway), 3544, 3544, packet);
    let routed = [&[0, 0, 0x86, 0xdd][..], packet].concat();
    for (protocol, payload, what) in [(UDP, teredo, "in Teredo"), (47, routed, "in GRE")] {
        let frame = own(link, &ipv4(from, link.gateway, protocol, &[], &payload));
        cases.push(Case { name: what.to_owned(), frame });
    }
    // A frame that says IPv4, and a packet that says IPv6.
    cases.push(Case { name: "called IPv4".to_owned(), frame: own(link, packet) });
    let called = ipv4(from, TARGET, UDP, &[], &udp(pseudo4(from, TARGET), 1, 2, b"four"));
    let frame = ethernet(link.gateway_mac, link.mac, IPV6, &called);
    cases.push(Case { name: "IPv4, called IPv6".to_owned(), frame });
    cases
}
