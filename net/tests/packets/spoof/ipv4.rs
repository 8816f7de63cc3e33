//! IPv4 of somebody else's, and such as no honest guest sends.

use std::net::{IpAddr, Ipv4Addr};

use crate::{
    frame::{
        IPV4, IPV6, four, honest,
        transport::{UDP, framed, udp},
    },
    stage::{GATEWAY4, GUEST, GUEST4, SERVER},
};

use super::{Case, marked};

/// The gateway's, other guests', the host's, everybody's and nobody's.
pub(super) fn sources() -> Vec<Case> {
    let addresses = [
        [198, 19, 255, 253],
        [198, 19, 255, 252],
        [198, 19, 255, 255],
        [198, 51, 100, 1],
        [198, 51, 100, 5],
        [198, 51, 100, 6],
        [198, 51, 100, 255],
        [203, 0, 113, 1],
        [203, 0, 113, 80],
        [203, 0, 113, 7],
        [0, 0, 0, 0],
        [127, 0, 0, 1],
        [255, 255, 255, 255],
        [224, 0, 0, 1],
        [239, 1, 1, 1],
        [169, 254, 169, 254],
        [169, 254, 0, 1],
        [10, 0, 0, 1],
        [172, 16, 0, 1],
        [192, 168, 0, 1],
        [100, 64, 0, 1],
        [192, 0, 2, 1],
        [198, 18, 0, 1],
        [240, 0, 0, 1],
        [8, 8, 8, 8],
        [198, 19, 255, 246],
    ];
    let mut cases = Vec::new();
    for source in addresses.map(Ipv4Addr::from) {
        for (name, protocol, payload) in marked(source.into(), SERVER) {
            let frame = framed(source.into(), SERVER, protocol, &payload);
            cases.push((format!("{name} from {source}"), frame));
        }
    }
    cases
}

pub(super) fn headers() -> Vec<Case> {
    let payload = udp((GUEST, 1), (SERVER, 1), b"forged");
    let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
    let plain = four::Packet::new(GUEST4, server, UDP, &payload);
    let mut cases: Vec<Case> = Vec::new();
    let hop = [198, 51, 100, 6];
    let options: [(&str, &[u8]); 11] = [
        ("a loose source route", &[131, 7, 4, hop[0], hop[1], hop[2], hop[3], 0]),
        ("a strict source route", &[137, 7, 4, hop[0], hop[1], hop[2], hop[3], 0]),
        ("a source route to metadata", &[131, 7, 4, 169, 254, 169, 254, 0]),
        ("a source route that is used up", &[131, 7, 8, 169, 254, 169, 254, 0]),
        ("a record of its route", &[7, 7, 4, 0, 0, 0, 0, 0]),
        ("timestamps", &[68, 8, 5, 0, 0, 0, 0, 0]),
        ("a router's alert", &[148, 4, 0, 0]),
        ("a security label", &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        ("a stream's number", &[136, 4, 0, 0]),
        ("nothing but padding", &[1, 1, 1, 1]),
        ("an end of options", &[0, 0, 0, 0]),
    ];
    for (name, options) in options {
        let packet = four::Packet { options, ..plain.clone() }.bytes();
        cases.push((format!("a header with {name}"), honest(IPV4, &packet)));
    }
    for (name, first) in [
        ("version 6", 0x65),
        ("version 0", 0x05),
        ("version 15", 0xf5),
        ("no length", 0x40),
        ("length 4", 0x44),
        ("length 15", 0x4f),
    ] {
        let mut packet = plain.bytes();
        packet[0] = first;
        cases.push((format!("a header of {name}"), honest(IPV4, &packet)));
    }
    cases.push(("IPv4 that says it is IPv6".into(), honest(IPV6, &plain.bytes())));
    cases.push(("a header cut short".into(), honest(IPV4, &plain.bytes()[..11])));
    cases
}

/// Whose first says one source and whose rest another; both are looked at.
pub(super) fn fragments() -> Vec<Case> {
    let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
    let payload = udp((GUEST, 1), (SERVER, 1), &[b'x'; 64]);
    let mut cases = Vec::new();
    for other in [
        GATEWAY4,
        Ipv4Addr::from([198, 51, 100, 6]),
        Ipv4Addr::from([203, 0, 113, 1]),
        Ipv4Addr::from([169, 254, 169, 254]),
    ] {
        for (fragment, part) in [(four::MORE_FRAGMENTS, &payload[..24]), (3, &payload[24..])] {
            let packet = four::Packet { fragment, ..four::Packet::new(other, server, UDP, part) };
            cases.push((
                format!("fragment {fragment:04x} from {other}"),
                honest(IPV4, &packet.bytes()),
            ));
        }
    }
    cases
}
