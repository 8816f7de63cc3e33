//! IPv6 of somebody else's, where there is any, and all of it where there is none.

use std::net::{IpAddr, Ipv6Addr};

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC};

use crate::{
    frame::{
        IPV6, honest,
        neighbour::{ADVERTISEMENT, SOLICITATION, discovery},
        six,
        transport::{UDP, framed, udp},
    },
    stage::{GATEWAY_SIX, GUEST_SIX, GUEST6, SERVER6},
};

use super::{Case, marked};

/// Not one frame of it, honest as it may be.
pub(super) fn six_where_there_is_none() -> Vec<Case> {
    let mut cases = sources_six();
    for (name, protocol, payload) in marked(GUEST6, SERVER6) {
        cases.push((format!("IPv6, {name}"), framed(GUEST6, SERVER6, protocol, &payload)));
    }
    for kind in [SOLICITATION, ADVERTISEMENT] {
        let macs = (GATEWAY_MAC, GUEST_MAC);
        cases.push((
            format!("IPv6, message {kind}"),
            discovery(macs, GUEST_SIX, GATEWAY_SIX, kind, 255, GATEWAY_SIX),
        ));
    }
    cases
}

pub(super) fn sources_six() -> Vec<Case> {
    let IpAddr::V6(server) = SERVER6 else { panic!("{SERVER6}") };
    let addresses = [
        "fd4b:696c:6e::1",
        "fd4b:696c:6e::3",
        "fd4b:696c:6e::",
        "2001:db8:51::5",
        "2001:db8:51::6",
        "2001:db8:51::1",
        "2001:db8:80::1",
        "2001:db8:80::80",
        "::",
        "::1",
        "::198.19.255.254",
        "::ffff:198.19.255.254",
        "64:ff9b::c613:fffe",
        "2002:c613:fffe::1",
        "2001:0:c613:fffe::1",
        "fe80::1",
        "fe80::4b:69ff:fe6c:6e02",
        "fec0::1",
        "fd00:ec2::254",
        "ff02::1",
        "ff05::2",
        "100::1",
        "2001:4860:4860::8888",
        "fd4b:696c:6f::2",
    ];
    let mut cases = Vec::new();
    for source in addresses {
        let source: Ipv6Addr = source.parse().unwrap();
        for (name, protocol, payload) in marked(source.into(), server.into()) {
            let frame = framed(source.into(), server.into(), protocol, &payload);
            cases.push((format!("{name} from {source}"), frame));
        }
    }
    cases
}

pub(super) fn neighbours() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let macs = (GATEWAY_MAC, GUEST_MAC);
    let other: Ipv6Addr = "fd4b:696c:6e::3".parse().unwrap();
    let all: Ipv6Addr = "ff02::1".parse().unwrap();
    let mut add = |name: &str, frame: Vec<u8>| cases.push((format!("neighbours: {name}"), frame));
    add("asks for another", discovery(macs, GUEST_SIX, GATEWAY_SIX, SOLICITATION, 255, other));
    add("asks as another", discovery(macs, other, GATEWAY_SIX, SOLICITATION, 255, GATEWAY_SIX));
    add("asks from afar", discovery(macs, GUEST_SIX, GATEWAY_SIX, SOLICITATION, 254, GATEWAY_SIX));
    add(
        "asks as nobody",
        discovery(macs, Ipv6Addr::UNSPECIFIED, GATEWAY_SIX, SOLICITATION, 255, GATEWAY_SIX),
    );
    add(
        "asks all",
        discovery(
            ([0x33, 0x33, 0, 0, 0, 1], GUEST_MAC),
            GUEST_SIX,
            all,
            SOLICITATION,
            255,
            GATEWAY_SIX,
        ),
    );
    add(
        "claims the gateway",
        discovery(macs, GUEST_SIX, GATEWAY_SIX, ADVERTISEMENT, 255, GATEWAY_SIX),
    );
    add("claims another", discovery(macs, GUEST_SIX, GATEWAY_SIX, ADVERTISEMENT, 255, other));
    add(
        "claims as the gateway",
        discovery(macs, GATEWAY_SIX, GATEWAY_SIX, ADVERTISEMENT, 255, GUEST_SIX),
    );
    add(
        "claims to all",
        discovery(
            ([0x33, 0x33, 0, 0, 0, 1], GUEST_MAC),
            GUEST_SIX,
            all,
            ADVERTISEMENT,
            255,
            GUEST_SIX,
        ),
    );
    add(
        "claims outside",
        discovery(
            macs,
            GUEST_SIX,
            "2001:db8:80::80".parse().unwrap(),
            ADVERTISEMENT,
            255,
            GUEST_SIX,
        ),
    );
    for kind in [133, 134, 137, 130, 131, 132, 143, 138, 139, 141, 144, 148, 151, 153, 155] {
        let frame = discovery(macs, GUEST_SIX, GATEWAY_SIX, kind, 255, GATEWAY_SIX);
        add(&format!("message {kind}"), frame);
    }
    cases
}

/// Between the header and what it carries, nothing stands.
pub(super) fn extended() -> Vec<Case> {
    let IpAddr::V6(server) = SERVER6 else { panic!("{SERVER6}") };
    let payload = udp((GUEST6, 1), (SERVER6, 1), b"forged");
    let packet =
        |next, payload: &[u8]| honest(IPV6, &six::packet(GUEST_SIX, server, next, 64, payload));
    let mut cases: Vec<Case> = Vec::new();
    for header in [six::HOP_BY_HOP, six::DESTINATION_OPTIONS, 135, 139, 140] {
        cases.push((
            format!("extension header {header}"),
            packet(header, &six::extension(UDP, &payload)),
        ));
        let twice = six::extension(six::DESTINATION_OPTIONS, &six::extension(UDP, &payload));
        cases.push((format!("extension headers {header} and 60"), packet(header, &twice)));
    }
    for kind in [0, 2, 3, 4, 253] {
        let stop = "2001:db8:51::6".parse().unwrap();
        let routed = six::routed(kind, UDP, stop, &payload);
        cases.push((format!("routing header {kind}"), packet(six::ROUTING, &routed)));
    }
    for (offset, more) in
        [(0, false), (0, true), (8, false), (8, true), (1480, false), (65528, false)]
    {
        let fragment = six::fragment(UDP, offset, more, &payload);
        cases.push((format!("fragment at {offset}, {more}"), packet(six::FRAGMENT, &fragment)));
    }
    for next in [six::NO_NEXT, 4, 41, 47, 50, 51, 58 + 128, 88, 89, 103, 112, 132, 136, 255] {
        cases.push((format!("next header {next}"), packet(next, &payload)));
    }
    cases
}
