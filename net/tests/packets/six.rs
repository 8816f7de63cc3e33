//! IPv6 that leaves though it must not: where it is off, and where it is on.

use std::net::{IpAddr, Ipv6Addr};

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC, Reach};

use crate::{
    frame::{
        IPV6, ethernet, honest,
        neighbour::{
            ADVERTISEMENT, REDIRECT, ROUTER_ADVERTISEMENT, ROUTER_SOLICITATION, SOLICITATION,
            discovery,
        },
        six,
        transport::{
            ICMP6, Parsed, TCP, UDP, echo6, framed, icmp6, syn, syn_frame, udp, udp_frame,
        },
    },
    stage::{GATEWAY_SIX, GUEST, GUEST_SIX, GUEST6, SERVER, SERVER6, Stage},
};

type Case = (&'static str, Vec<u8>);

/// Off is off, whatever the machine may reach; nor does it go inside of IPv4.
pub(crate) fn none_where_it_is_off() {
    for reach in [Reach::Closed, Reach::Admitted, Reach::Internet] {
        let stage = Stage::new(reach, false);
        let mut cases = of_routers();
        cases.extend(plain());
        cases.extend(extended());
        cases.extend(tunnelled());
        assert!(cases.len() >= 30, "{}", cases.len());
        for (name, frame) in &cases {
            stage.guest().send(frame);
            let left = stage.left();
            assert!(left.is_empty(), "{name} with {reach:?}: {left:02x?}");
        }
        let told: Vec<_> = stage.guest().frames();
        let six = told.iter().filter(|frame| crate::frame::kind(frame) == IPV6);
        assert_eq!(six.count(), 0, "the gateway speaks IPv6");
    }
}

/// On is by the pinned address, without extensions, and to where anybody may go.
pub(crate) fn only_what_is_plain_where_it_is_on() {
    let stage = Stage::new(Reach::Internet, true);
    let mut cases = of_routers();
    cases.extend(extended());
    cases.extend(to_nowhere());
    assert!(cases.len() >= 30, "{}", cases.len());
    for (name, frame) in &cases {
        stage.guest().send(frame);
        let left = stage.left();
        assert!(left.is_empty(), "{name}: {left:02x?}");
    }
    // Which would all be so if nothing went at all.
    for (name, frame) in plain() {
        stage.guest().send(&frame);
        let left = stage.left();
        assert_eq!(left.len(), 1, "{name}");
        let packet = Parsed::of(&left[0]).unwrap();
        assert_eq!(Some(packet.from), stage.machine().lease.address6.map(Into::into), "{name}");
    }
}

/// Where the rest is Internet, and IPv6 is not leased.
fn plain() -> Vec<Case> {
    vec![
        ("a stream", syn_frame((GUEST6, 6000), (SERVER6, 443))),
        ("a datagram", udp_frame((GUEST6, 6000), (SERVER6, 443), b"leak")),
        ("an echo", framed(GUEST6, SERVER6, ICMP6, &echo6(GUEST6, SERVER6, b"leak"))),
        ("a question to another resolver", udp_frame((GUEST6, 6001), (SERVER6, 53), b"leak")),
    ]
}

/// What makes and moves routers.
fn of_routers() -> Vec<Case> {
    let all: Ipv6Addr = "ff02::1".parse().unwrap();
    let routers: Ipv6Addr = "ff02::2".parse().unwrap();
    let own: Ipv6Addr = "fe80::4b:69ff:fe6c:6e02".parse().unwrap();
    let to_all = ([0x33, 0x33, 0, 0, 0, 1], GUEST_MAC);
    let to_gateway = (GATEWAY_MAC, GUEST_MAC);
    let message = |macs, from, to, kind| discovery(macs, from, to, kind, 255, GATEWAY_SIX);
    let report = icmp6(own.into(), routers.into(), 143, 0, &[0, 0, 0, 0]);
    let alert = [&[ICMP6, 0, 5, 2, 0, 0, 1, 0][..], &report].concat();
    vec![
        ("a router to all", message(to_all, own, all, ROUTER_ADVERTISEMENT)),
        ("a router to its gateway", message(to_gateway, own, GATEWAY_SIX, ROUTER_ADVERTISEMENT)),
        ("a router by the leased address", message(to_all, GUEST_SIX, all, ROUTER_ADVERTISEMENT)),
        ("a router that is its gateway", message(to_all, GATEWAY_SIX, all, ROUTER_ADVERTISEMENT)),
        (
            "a call for routers",
            message(([0x33, 0x33, 0, 0, 0, 2], GUEST_MAC), own, routers, ROUTER_SOLICITATION),
        ),
        ("a redirect", message(to_gateway, own, GATEWAY_SIX, REDIRECT)),
        ("a redirect by its gateway", message(to_gateway, GATEWAY_SIX, GUEST_SIX, REDIRECT)),
        (
            "a question for the outside",
            discovery(
                to_gateway,
                GUEST_SIX,
                GATEWAY_SIX,
                SOLICITATION,
                255,
                "2001:db8:80::80".parse().unwrap(),
            ),
        ),
        (
            "an answer for the outside",
            discovery(
                to_gateway,
                GUEST_SIX,
                GATEWAY_SIX,
                ADVERTISEMENT,
                255,
                "2001:db8:80::80".parse().unwrap(),
            ),
        ),
        (
            "whether an address is free",
            message(
                ([0x33, 0x33, 0xff, 0, 0, 2], GUEST_MAC),
                Ipv6Addr::UNSPECIFIED,
                "ff02::1:ff00:2".parse().unwrap(),
                SOLICITATION,
            ),
        ),
        (
            "membership of a group",
            ethernet(
                [0x33, 0x33, 0, 0, 0, 0x16],
                GUEST_MAC,
                IPV6,
                &six::packet(own, routers, six::HOP_BY_HOP, 1, &alert),
            ),
        ),
        (
            "DHCP",
            ethernet(
                [0x33, 0x33, 0, 1, 0, 2],
                GUEST_MAC,
                IPV6,
                &six::packet(
                    own,
                    "ff02::1:2".parse().unwrap(),
                    UDP,
                    1,
                    &udp((own.into(), 546), ("ff02::1:2".parse().unwrap(), 547), b"leak"),
                ),
            ),
        ),
        (
            "names by multicast",
            ethernet(
                [0x33, 0x33, 0, 0, 0, 0xfb],
                GUEST_MAC,
                IPV6,
                &six::packet(
                    own,
                    "ff02::fb".parse().unwrap(),
                    UDP,
                    255,
                    &udp((own.into(), 5353), ("ff02::fb".parse().unwrap(), 5353), b"leak"),
                ),
            ),
        ),
    ]
}

fn extended() -> Vec<Case> {
    let IpAddr::V6(server) = SERVER6 else { panic!("{SERVER6}") };
    let datagram = udp((GUEST6, 6002), (SERVER6, 443), b"leak");
    let segment = syn((GUEST6, 6002), (SERVER6, 443));
    let packet =
        |next, payload: &[u8]| honest(IPV6, &six::packet(GUEST_SIX, server, next, 64, payload));
    let stop = server;
    vec![
        ("hop by hop", packet(six::HOP_BY_HOP, &six::extension(UDP, &datagram))),
        (
            "options for the destination",
            packet(six::DESTINATION_OPTIONS, &six::extension(TCP, &segment)),
        ),
        (
            "both",
            packet(
                six::HOP_BY_HOP,
                &six::extension(six::DESTINATION_OPTIONS, &six::extension(UDP, &datagram)),
            ),
        ),
        ("routing header 0", packet(six::ROUTING, &six::routed(0, UDP, stop, &datagram))),
        ("routing header 2", packet(six::ROUTING, &six::routed(2, UDP, stop, &datagram))),
        ("segment routing", packet(six::ROUTING, &six::routed(4, UDP, stop, &datagram))),
        ("a lone fragment", packet(six::FRAGMENT, &six::fragment(UDP, 0, false, &datagram))),
        ("a first fragment", packet(six::FRAGMENT, &six::fragment(UDP, 0, true, &datagram[..8]))),
        ("a last fragment", packet(six::FRAGMENT, &six::fragment(UDP, 8, false, &datagram[8..]))),
        ("no next header", packet(six::NO_NEXT, b"leak")),
        ("IPv4 inside", packet(4, b"leak")),
        ("IPv6 inside", packet(41, &six::packet(GUEST_SIX, server, UDP, 64, &datagram))),
        ("GRE", packet(47, b"leakleak")),
        ("ESP", packet(50, b"leakleak")),
        ("SCTP", packet(132, b"leakleakleak")),
    ]
}

/// Inside of IPv4. Any datagram could hold it; these are the ways that hosts know by themselves.
fn tunnelled() -> Vec<Case> {
    let IpAddr::V6(server) = SERVER6 else { panic!("{SERVER6}") };
    let inner =
        six::packet(GUEST_SIX, server, UDP, 64, &udp((GUEST6, 6003), (SERVER6, 443), b"leak"));
    let relay = "192.88.99.1".parse().unwrap();
    vec![
        ("6in4", framed(GUEST, SERVER, 41, &inner)),
        ("6to4 by its relay", framed(GUEST, relay, 41, &inner)),
        ("GRE", framed(GUEST, SERVER, 47, &[&[0, 0, 0x86, 0xdd][..], &inner].concat())),
        ("Teredo", udp_frame((GUEST, 6003), (SERVER, 3544), &inner)),
        ("AYIYA by the relay", udp_frame((GUEST, 6003), (relay, 5072), &inner)),
        ("L2TP", framed(GUEST, SERVER, 115, &inner)),
        ("ESP", framed(GUEST, SERVER, 50, &inner)),
    ]
}

/// Never by anybody: no address of the outside's.
fn to_nowhere() -> Vec<Case> {
    let addresses = [
        ("this host", "::1"),
        ("nobody", "::"),
        ("mapped", "::ffff:203.0.113.80"),
        ("compatible", "::203.0.113.80"),
        ("translated", "64:ff9b::203.0.113.80"),
        ("translated here", "64:ff9b:1::1"),
        ("6to4", "2002:cb00:7150::1"),
        ("Teredo", "2001:0:cb00:7150::1"),
        ("unique and local", "fd00::1"),
        ("local to the link", "fe80::1"),
        ("local to the site", "fec0::1"),
        ("discarded", "100::1"),
        ("segments", "5f00::1"),
        ("a group of the link", "ff02::1"),
        ("a group of all", "ff0e::1"),
        ("a neighbour of the pool", "2001:db8:51::6"),
        ("the pool's router", "2001:db8:51::1"),
        ("the host", "2001:db8:80::1"),
    ];
    addresses
        .into_iter()
        .map(|(name, address)| {
            let address: IpAddr = address.parse().unwrap();
            (name, udp_frame((GUEST6, 6004), (address, 443), b"leak"))
        })
        .collect()
}
