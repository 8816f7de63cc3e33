//! Frames that no guest of one link sends: of other hardware, of other kinds, with tags.

use std::net::Ipv4Addr;

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC};

use crate::{
    frame::{
        ARP, BROADCAST, Mac, VLAN, ethernet, honest,
        neighbour::Arp,
        transport::{UDP, packet, udp},
    },
    stage::{GATEWAY4, GUEST, GUEST4, SERVER},
};

use super::{Case, marked};

pub(super) fn hardware_addresses() -> Vec<Case> {
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

pub(super) fn arp() -> Vec<Case> {
    let honest_arp = Arp { operation: 1, sender: (GUEST_MAC, GUEST4), target: ([0; 6], GATEWAY4) };
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |name: String, arp: Arp| {
        cases.push((format!("arp {name}"), arp.frame(BROADCAST, GUEST_MAC)));
    };
    let others = [
        GATEWAY4,
        Ipv4Addr::from([198, 51, 100, 6]),
        Ipv4Addr::from([203, 0, 113, 1]),
        Ipv4Addr::from([169, 254, 169, 254]),
        Ipv4Addr::from([0, 0, 0, 0]),
        Ipv4Addr::from([255, 255, 255, 255]),
        Ipv4Addr::from([127, 0, 0, 1]),
        Ipv4Addr::from([198, 19, 255, 252]),
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

pub(super) fn tags() -> Vec<Case> {
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

pub(super) fn other_kinds() -> Vec<Case> {
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
