//! Senders that the guest is not: by Ethernet, by IP, by ARP, and by what hides a frame in another.

use std::net::Ipv4Addr;

use super::{Case, TARGET};
use crate::{
    Link,
    frame::{ACK, ARP, ICMP, IPV4, SYN, TCP, UDP, arp, echo, ethernet, ipv4, pseudo4, tcp, udp},
};

pub(super) fn cases(link: &Link) -> Vec<Case> {
    let mut cases = addresses(link);
    cases.extend(neighbours(link));
    cases.extend(wrapped(link));
    cases
}

/// Each address of Ethernet with each of IP, but for the guest's own two together.
fn addresses(link: &Link) -> Vec<Case> {
    let other = [2, 0x4b, 0x69, 0x6c, 0x6e, 3];
    let macs = [link.mac, other, link.gateway_mac, [0xff; 6], [1, 0, 0x5e, 0, 0, 1], [0; 6]];
    let senders = [
        link.address,
        link.gateway,
        Ipv4Addr::new(192, 0, 2, 3),
        Ipv4Addr::new(198, 51, 100, 2),
        Ipv4Addr::new(203, 0, 113, 1),
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::UNSPECIFIED,
        Ipv4Addr::BROADCAST,
        Ipv4Addr::new(10, 0, 0, 1),
    ];
    let mut cases = Vec::new();
    for mac in macs {
        for from in senders {
            if mac == link.mac && from == link.address {
                continue;
            }
            let port = 4000 + u16::try_from(cases.len()).unwrap_or(0);
            let pseudo = pseudo4(from, TARGET);
            for (what, protocol, payload) in [
                ("udp", UDP, udp(pseudo, 40_000, port, b"spoof")),
                ("syn", TCP, tcp(pseudo, 40_000, port, SYN)),
                ("ack", TCP, tcp(pseudo, 40_000, port, ACK)),
                ("echo", ICMP, echo(8, 0)),
            ] {
                let packet = ipv4(from, TARGET, protocol, &[], &payload);
                cases.push(Case {
                    name: format!("{what} of {mac:02x?} and {from}"),
                    frame: ethernet(link.gateway_mac, mac, IPV4, &packet),
                });
            }
        }
    }
    cases
}

/// Claims to be the gateway, the host or another guest.
fn neighbours(link: &Link) -> Vec<Case> {
    let host = Ipv4Addr::new(203, 0, 113, 1);
    let other = [2, 0x4b, 0x69, 0x6c, 0x6e, 3];
    let mut cases = Vec::new();
    for (whose, claimed) in
        [("gateway", link.gateway), ("host", host), ("neighbour", Ipv4Addr::new(192, 0, 2, 3))]
    {
        for (operation, what) in [(1, "request"), (2, "reply")] {
            for (sender, of) in [(link.mac, "own"), (other, "other")] {
                let packet = arp(operation, (sender, claimed), (link.gateway_mac, link.gateway));
                cases.push(Case {
                    name: format!("arp {what} for the {whose} by {of}"),
                    frame: ethernet([0xff; 6], link.mac, ARP, &packet),
                });
            }
        }
    }
    cases
}

/// An honest packet in a frame that is none.
fn wrapped(link: &Link) -> Vec<Case> {
    let datagram = udp(pseudo4(link.address, TARGET), 40_000, 4999, b"wrapped");
    let packet = ipv4(link.address, TARGET, UDP, &[], &datagram);
    let mut tagged = vec![0, 7];
    tagged.extend(IPV4.to_be_bytes());
    tagged.extend(&packet);
    let mut twice = vec![0, 7, 0x81, 0];
    twice.extend(&tagged);
    let framed = |kind, payload: &[u8]| ethernet(link.gateway_mac, link.mac, kind, payload);
    let inner = [(4, "ip in ip"), (47, "gre"), (94, "ip in ip, old"), (137, "mpls in ip")];
    let kinds = [
        ("vlan", 0x8100, tagged.clone()),
        ("vlan in vlan", 0x88a8, twice.clone()),
        ("old vlan in vlan", 0x9100, twice),
        ("mpls", 0x8847, [&[0, 0, 0x11, 64][..], &packet].concat()),
        ("pppoe", 0x8864, [&[0x11, 0, 0, 1, 0, 60, 0, 0x21][..], &packet].concat()),
        ("eapol", 0x888e, vec![1, 1, 0, 0]),
        ("lldp", 0x88cc, vec![2, 7, 4, 2, 0, 0, 0, 0, 1]),
        ("spanning tree", 38, vec![0x42, 0x42, 3, 0, 0, 0]),
        ("ipx", 0x8137, vec![0xff; 40]),
        ("reverse arp", 0x8035, arp(3, (link.mac, link.address), (link.mac, link.address))),
        ("a kind of nobody's", 0x88b5, packet.clone()),
    ];
    let mut cases: Vec<_> = kinds
        .into_iter()
        .map(|(name, kind, payload)| Case { name: name.to_owned(), frame: framed(kind, &payload) })
        .collect();
    // The outer packet is the guest's own, to a place where it may go; the inner one is not.
    for (protocol, name) in inner {
        let from = Ipv4Addr::new(198, 51, 100, 2);
        let datagram = udp(pseudo4(from, TARGET), 40_000, 4998, b"inner");
        let payload = ipv4(from, TARGET, UDP, &[], &datagram);
        let payload = if protocol == 47 { [&[0, 0, 8, 0][..], &payload].concat() } else { payload };
        let outer = ipv4(link.address, link.gateway, protocol, &[], &payload);
        cases.push(Case { name: name.to_owned(), frame: framed(IPV4, &outer) });
    }
    cases
}
