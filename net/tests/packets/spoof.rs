//! A guest that says it is somebody else, in every way a frame has.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC, Reach};

use crate::{
    capture::is_own_noise,
    frame::{
        ARP, BROADCAST, IPV4, IPV6, Mac, VLAN, ethernet, four, honest,
        neighbour::{ADVERTISEMENT, Arp, SOLICITATION, discovery},
        six,
        transport::{
            ICMP, ICMP6, Parsed, TCP, UDP, echo, echo6, framed, packet, syn, udp, udp_frame,
        },
    },
    stage::{
        GATEWAY, GATEWAY_SIX, GATEWAY4, GATEWAY6, GUEST, GUEST_SIX, GUEST4, GUEST6, SERVER,
        SERVER6, Stage,
    },
};

type Case = (String, Vec<u8>);

pub(crate) fn nothing_forged_is_forwarded() {
    let stage = Stage::new(Reach::Internet, false);
    let mut cases = hardware_addresses();
    cases.extend(sources());
    cases.extend(arp());
    cases.extend(tags());
    cases.extend(other_kinds());
    cases.extend(headers());
    cases.extend(fragments());
    cases.extend(six_where_there_is_none());
    assert!(cases.len() >= 200, "{}", cases.len());
    check(&stage, &cases);
}

pub(crate) fn nothing_forged_is_forwarded_by_ipv6() {
    let stage = Stage::new(Reach::Internet, true);
    let mut cases = sources_six();
    cases.extend(neighbours());
    cases.extend(extended());
    assert!(cases.len() >= 80, "{}", cases.len());
    check(&stage, &cases);
}

/// Not one leaves the machine, not one is answered, each is counted.
fn check(stage: &Stage, cases: &[Case]) {
    assert!(stage.leaked("before").is_empty());
    stage.guest().frames();
    let before = forged(stage);
    for (_, frame) in cases {
        stage.guest().send(frame);
    }
    let count = u64::try_from(cases.len()).unwrap();
    if forged(stage) - before != count {
        which_was_not_dropped(stage, cases);
    }
    let leaked = stage.leaked("after");
    assert!(leaked.is_empty(), "left: {leaked:02x?}");
    let answers: Vec<_> =
        stage.guest().frames().into_iter().filter(|frame| is_unasked(frame)).collect();
    assert!(answers.is_empty(), "answered: {answers:02x?}");
}

fn which_was_not_dropped(stage: &Stage, cases: &[Case]) -> ! {
    for (name, frame) in cases {
        let before = forged(stage);
        stage.guest().send(frame);
        assert_eq!(forged(stage), before + 1, "{name} was not dropped as forged");
    }
    panic!("each is dropped alone, and not all of them together");
}

/// All but what the server says to the mark.
fn is_unasked(frame: &[u8]) -> bool {
    Parsed::of(frame).is_none_or(|packet| packet.from != SERVER) && !is_own_noise(frame)
}

fn forged(stage: &Stage) -> u64 {
    stage.seen().forged_frames
}

fn four(octets: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::from(octets)
}

fn marked(from: IpAddr, to: IpAddr) -> [(&'static str, u8, Vec<u8>); 3] {
    let message =
        if from.is_ipv6() { (ICMP6, echo6(from, to, b"forged")) } else { (ICMP, echo(b"forged")) };
    [
        ("udp", UDP, udp((from, 4001), (to, 4001), b"forged")),
        ("tcp", TCP, syn((from, 4002), (to, 443))),
        ("icmp", message.0, message.1),
    ]
}

fn hardware_addresses() -> Vec<Case> {
    let mut macs: Vec<Mac> = vec![
        GATEWAY_MAC,
        BROADCAST,
        [0; 6],
        [0x01, 0x00, 0x5e, 0, 0, 1],
        [0x33, 0x33, 0, 0, 0, 1],
        [0x02, 0x4b, 0, 0, 0, 1],
        [0x52, 0x54, 0, 0x12, 0x34, 0x56],
    ];
    // Each bit that tells it from its neighbours.
    macs.extend((0..48).step_by(5).map(|bit| {
        let mut mac = GUEST_MAC;
        mac[bit / 8] ^= 1 << (bit % 8);
        mac
    }));
    let mut cases = Vec::new();
    for mac in macs {
        for (name, protocol, payload) in marked(GUEST, SERVER) {
            let (kind, packet) = packet(GUEST, SERVER, protocol, &payload);
            let frame = ethernet(GATEWAY_MAC, mac, kind, &packet);
            cases.push((format!("{name} from the hardware address {mac:02x?}"), frame));
        }
        let asked = Arp { operation: 1, sender: (mac, GUEST4), target: ([0; 6], GATEWAY4) };
        cases.push((
            format!("arp from the hardware address {mac:02x?}"),
            asked.frame(BROADCAST, mac),
        ));
    }
    let elsewhere = [
        BROADCAST,
        GUEST_MAC,
        [0; 6],
        [1, 0, 0x5e, 0, 0, 1],
        [1, 0x80, 0xc2, 0, 0, 0],
        [2, 0, 0, 0, 0, 9],
    ];
    for mac in elsewhere {
        let (kind, packet) = packet(GUEST, SERVER, UDP, &udp((GUEST, 1), (SERVER, 1), b"forged"));
        cases.push((
            format!("to the hardware address {mac:02x?}"),
            ethernet(mac, GUEST_MAC, kind, &packet),
        ));
    }
    cases
}

/// The gateway's, other guests', the host's, everybody's and nobody's.
fn sources() -> Vec<Case> {
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
    for source in addresses.map(four) {
        for (name, protocol, payload) in marked(source.into(), SERVER) {
            let frame = framed(source.into(), SERVER, protocol, &payload);
            cases.push((format!("{name} from {source}"), frame));
        }
    }
    cases
}

fn arp() -> Vec<Case> {
    let honest_arp = Arp { operation: 1, sender: (GUEST_MAC, GUEST4), target: ([0; 6], GATEWAY4) };
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |name: String, arp: Arp| {
        cases.push((format!("arp {name}"), arp.frame(BROADCAST, GUEST_MAC)));
    };
    let others = [
        GATEWAY4,
        four([198, 51, 100, 6]),
        four([203, 0, 113, 1]),
        four([169, 254, 169, 254]),
        four([0, 0, 0, 0]),
        four([255, 255, 255, 255]),
        four([127, 0, 0, 1]),
        four([198, 19, 255, 252]),
    ];
    for other in others {
        add(format!("from {other}"), Arp { sender: (GUEST_MAC, other), ..honest_arp });
        let claim = Arp { operation: 2, sender: (GUEST_MAC, other), ..honest_arp };
        add(format!("that claims {other}"), claim);
    }
    for other in others.into_iter().skip(1) {
        add(format!("for {other}"), Arp { target: ([0; 6], other), ..honest_arp });
    }
    add("for itself".into(), Arp { target: ([0; 6], GUEST4), ..honest_arp });
    for operation in [0, 3, 4, 8, 9, 10, 0xffff] {
        add(format!("of operation {operation}"), Arp { operation, ..honest_arp });
    }
    for mac in [GATEWAY_MAC, BROADCAST, [0; 6], [2, 2, 2, 2, 2, 2]] {
        add(format!("that names {mac:02x?}"), Arp { sender: (mac, GUEST4), ..honest_arp });
    }
    for (at, value) in [(1, 6), (1, 32), (0, 1), (2, 0x86), (3, 6), (4, 8), (4, 0), (5, 16), (5, 0)]
    {
        let mut body = honest_arp.bytes();
        body[at] = value;
        let frame = ethernet(BROADCAST, GUEST_MAC, ARP, &body);
        cases.push((format!("arp with byte {at} being {value}"), frame));
    }
    let multicast = honest_arp.frame([1, 0, 0x5e, 0, 0, 1], GUEST_MAC);
    cases.push(("arp to a group".into(), multicast));
    cases.push((
        "arp cut short".into(),
        ethernet(BROADCAST, GUEST_MAC, ARP, &honest_arp.bytes()[..20]),
    ));
    cases
}

fn tags() -> Vec<Case> {
    let (kind, packet) = packet(GUEST, SERVER, UDP, &udp((GUEST, 1), (SERVER, 1), b"forged"));
    let asked =
        Arp { operation: 1, sender: (GUEST_MAC, GUEST4), target: ([0; 6], GATEWAY4) }.bytes();
    let mut cases = Vec::new();
    for tag in [VLAN, 0x88a8, 0x9100, 0x9200] {
        for number in [0u16, 1, 100, 4094, 4095, 0xe000] {
            for (kind, packet) in [(kind, &packet), (ARP, &asked)] {
                let tagged = [&number.to_be_bytes()[..], &kind.to_be_bytes(), packet].concat();
                cases.push((format!("tag {tag:x} {number} of {kind:04x}"), honest(tag, &tagged)));
            }
        }
    }
    let twice = [&[0, 1, 0x81, 0, 0, 2][..], &kind.to_be_bytes(), &packet].concat();
    cases.push(("tagged twice".into(), honest(0x88a8, &twice)));
    cases
}

fn other_kinds() -> Vec<Case> {
    let (_, packet) = packet(GUEST, SERVER, UDP, &udp((GUEST, 1), (SERVER, 1), b"forged"));
    let kinds = [
        0x0000, 0x002e, 0x05dc, 0x05ff, 0x0842, 0x22f0, 0x22f3, 0x6003, 0x8035, 0x809b, 0x80f3,
        0x8137, 0x8204, 0x8808, 0x8809, 0x8847, 0x8848, 0x8863, 0x8864, 0x887b, 0x888e, 0x8892,
        0x88a2, 0x88b5, 0x88b8, 0x88cc, 0x88e1, 0x88e5, 0x88e7, 0x88f7, 0x8902, 0x8906, 0x8914,
        0x8915, 0x891d, 0x9000, 0xffff, 0x4305,
    ];
    let mut cases: Vec<Case> = kinds
        .iter()
        .map(|kind| (format!("a frame of kind {kind:04x}"), honest(*kind, &packet)))
        .collect();
    // Service access points behind a length: SNAP, spanning tree, IPX, NetBEUI, IP.
    for point in [0xaa, 0x42, 0xe0, 0xf0, 0x06] {
        let snap = [&[point, point, 3, 0, 0, 0, 8, 0][..], &packet].concat();
        let length = u16::try_from(snap.len()).unwrap();
        cases.push((format!("LLC of {point:02x}"), honest(length, &snap)));
    }
    cases
}

fn headers() -> Vec<Case> {
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
fn fragments() -> Vec<Case> {
    let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
    let payload = udp((GUEST, 1), (SERVER, 1), &[b'x'; 64]);
    let mut cases = Vec::new();
    for other in
        [GATEWAY4, four([198, 51, 100, 6]), four([203, 0, 113, 1]), four([169, 254, 169, 254])]
    {
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

/// Not one frame of it, honest as it may be.
fn six_where_there_is_none() -> Vec<Case> {
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

fn sources_six() -> Vec<Case> {
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

fn neighbours() -> Vec<Case> {
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
fn extended() -> Vec<Case> {
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

/// What an honest guest does works, else nothing above shows anything.
pub(crate) fn the_honest_are_answered() {
    for six in [false, true] {
        let stage = Stage::new(Reach::Internet, six);
        let asked = Arp { operation: 1, sender: (GUEST_MAC, GUEST4), target: ([0; 6], GATEWAY4) };
        stage.guest().send(&asked.frame(BROADCAST, GUEST_MAC));
        let answer =
            Arp { operation: 2, sender: (GATEWAY_MAC, GATEWAY4), target: (GUEST_MAC, GUEST4) };
        expect(&stage, &answer.frame(GUEST_MAC, GATEWAY_MAC));
        if six {
            let macs = ([0x33, 0x33, 0xff, 0, 0, 1], GUEST_MAC);
            let group = "ff02::1:ff00:1".parse().unwrap();
            stage.guest().send(&discovery(macs, GUEST_SIX, group, SOLICITATION, 255, GATEWAY_SIX));
            let advertised = |frame: &[u8]| {
                let packet = Parsed::of(frame)?;
                (packet.from == GATEWAY6 && packet.body[0] == ADVERTISEMENT).then_some(())
            };
            stage.guest().wait(crate::stage::PATIENCE, advertised).unwrap();
        }
        let servers = if six { vec![SERVER, SERVER6] } else { vec![SERVER] };
        for server in servers {
            let guest = if server.is_ipv6() { GUEST6 } else { GUEST };
            stage.guest().send(&udp_frame((guest, 4003), (server, 4003), b"honest"));
            let is_it = |frame: &[u8]| {
                Parsed::of(frame)
                    .is_some_and(|packet| packet.datagram() == b"honest" && packet.from != guest)
            };
            stage.arrived.until(is_it, crate::stage::PATIENCE).unwrap();
        }
        let echoes = if six {
            vec![(GATEWAY6, echo6(GUEST6, GATEWAY6, b"honest"), ICMP6)]
        } else {
            vec![(GATEWAY, echo(b"honest"), ICMP)]
        };
        for (gateway, echo, protocol) in echoes {
            let guest = if gateway.is_ipv6() { GUEST6 } else { GUEST };
            stage.guest().send(&framed(guest, gateway, protocol, &echo));
            let answered = |frame: &[u8]| (Parsed::of(frame)?.from == gateway).then_some(());
            stage.guest().wait(crate::stage::PATIENCE, answered).unwrap();
        }
    }
}

fn expect(stage: &Stage, expected: &[u8]) {
    let is_it = |frame: &[u8]| frame.starts_with(expected).then_some(());
    stage.guest().wait(crate::stage::PATIENCE, is_it).unwrap();
}
