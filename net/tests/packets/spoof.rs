//! A guest that says it is somebody else, in every way a frame has.

mod ipv4;
mod ipv6;
mod link;

use std::net::IpAddr;

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC, Reach};

use crate::{
    capture::is_own_noise,
    frame::{
        BROADCAST,
        neighbour::{ADVERTISEMENT, Arp, SOLICITATION, discovery},
        transport::{ICMP, ICMP6, Parsed, TCP, UDP, echo, echo6, framed, syn, udp, udp_frame},
    },
    stage::{
        GATEWAY, GATEWAY_SIX, GATEWAY4, GATEWAY6, GUEST, GUEST_SIX, GUEST4, GUEST6, SERVER,
        SERVER6, Stage,
    },
};

type Case = (String, Vec<u8>);

pub(crate) fn nothing_forged_is_forwarded() {
    let stage = Stage::new(Reach::Internet, false);
    let mut cases = link::hardware_addresses();
    cases.extend(ipv4::sources());
    cases.extend(link::arp());
    cases.extend(link::tags());
    cases.extend(link::other_kinds());
    cases.extend(ipv4::headers());
    cases.extend(ipv4::fragments());
    cases.extend(ipv6::six_where_there_is_none());
    assert!(cases.len() >= 200, "{}", cases.len());
    check(&stage, &cases);
}

pub(crate) fn nothing_forged_is_forwarded_by_ipv6() {
    let stage = Stage::new(Reach::Internet, true);
    let mut cases = ipv6::sources_six();
    cases.extend(ipv6::neighbours());
    cases.extend(ipv6::extended());
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

fn marked(from: IpAddr, to: IpAddr) -> [(&'static str, u8, Vec<u8>); 3] {
    let message =
        if from.is_ipv6() { (ICMP6, echo6(from, to, b"forged")) } else { (ICMP, echo(b"forged")) };
    [
        ("udp", UDP, udp((from, 4001), (to, 4001), b"forged")),
        ("tcp", TCP, syn((from, 4002), (to, 443))),
        ("icmp", message.0, message.1),
    ]
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
