//! Every port of every address that a guest could find services of the host's at.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use kiln_net::{
    control::REGISTRY_PORT,
    plan::{DNS_PORT, Reach, SPLICE_PORT},
};

use crate::{
    capture::is_own_noise,
    frame::transport::{Parsed, TCP, UDP, syn_frame, udp_frame},
    listeners::Listeners,
    stage::{GATEWAY, GATEWAY6, GUEST, GUEST6, HOST, HOST6, PATIENCE, Stage},
};

/// So many are under way at once: what comes back has to fit a TAP's queue.
const AT_ONCE: u16 = 256;
/// Beside the resolver's and the registry's; that of the host has the registry's port too.
const SERVICES: [u16; 7] = [22, 80, 111, 2375, 8080, SPLICE_PORT, 50051];

fn both(port: u16) -> [(IpAddr, u16); 2] {
    [(Ipv4Addr::UNSPECIFIED.into(), port), (Ipv6Addr::UNSPECIFIED.into(), port)]
}

/// IPv6's sockets would take those of IPv4 too.
fn services(stage: &Stage, dns: bool) -> (Listeners, Listeners) {
    let any: Vec<_> = SERVICES.iter().flat_map(|port| both(*port)).collect();
    let of_host: Vec<_> =
        [DNS_PORT, REGISTRY_PORT].iter().flat_map(|port| both(*port)).chain(any.clone()).collect();
    let of_machine = if dns {
        let own = [DNS_PORT, REGISTRY_PORT];
        let own = own.into_iter().flat_map(|port| [(GATEWAY, port), (GATEWAY6, port)]);
        own.chain(any).collect()
    } else {
        any
    };
    for namespace in [&stage.host, &stage.machine().namespace] {
        let apart = [("ipv6/bindv6only", "1")];
        crate::stage::set(namespace, &apart);
    }
    (
        Listeners::open(&stage.host, &of_host),
        Listeners::open(&stage.machine().namespace, &of_machine),
    )
}

fn own(address: IpAddr) -> IpAddr {
    if address.is_ipv6() { GUEST6 } else { GUEST }
}

/// Whatever the machine may reach of the internet.
pub(crate) fn only_the_resolver_and_the_registry_answer_streams() {
    for reach in [Reach::Closed, Reach::Admitted, Reach::Internet] {
        let stage = Stage::new(reach, true);
        let (of_host, of_machine) = services(&stage, true);
        for target in [GATEWAY, GATEWAY6, HOST, HOST6] {
            let (welcome, reset) = knock(&stage, target);
            let gateway = target == GATEWAY || target == GATEWAY6;
            let own = [DNS_PORT, REGISTRY_PORT];
            let expected: BTreeSet<u16> = own.into_iter().filter(|_| gateway).collect();
            assert_eq!(welcome, expected, "{target} with {reach:?}");
            assert_eq!(reset.len() + welcome.len(), 65_535, "{target} was not refused at once");
        }
        let left: Vec<_> = stage.machine().left.frames();
        let left: Vec<_> = left.iter().filter(|frame| !is_own_noise(frame)).collect();
        assert!(left.is_empty(), "{left:02x?}");
        assert_eq!(of_host.heard(), []);
        let elsewhere: Vec<_> = of_machine
            .heard()
            .into_iter()
            .filter(|(at, _)| ![DNS_PORT, REGISTRY_PORT].contains(&at.port()))
            .collect();
        assert_eq!(elsewhere, []);
        // A whole scan is one destination each until there is no more room, and then a number.
        let seen = stage.seen();
        assert_eq!(seen.refused.len(), kiln_net::seen::LISTED);
        assert!(seen.more_refused > 3 * 65_535, "{}", seen.more_refused);
    }
}

/// Ports that took a connection, and ports that refused it.
fn knock(stage: &Stage, target: IpAddr) -> (BTreeSet<u16>, BTreeSet<u16>) {
    let (mut welcome, mut reset) = (BTreeSet::new(), BTreeSet::new());
    let ports: Vec<u16> = (1..=u16::MAX).collect();
    for some in ports.chunks(AT_ONCE.into()) {
        for port in some {
            stage.guest().send(&syn_frame((own(target), 40_000), (target, *port)));
        }
        let mut left: BTreeSet<u16> = some.iter().copied().collect();
        while !left.is_empty() {
            let answer = stage.guest().wait(PATIENCE, |frame| {
                let packet = Parsed::of(frame)?;
                let answers = packet.from == target && packet.protocol == TCP;
                answers.then(|| (packet.source_port(), packet.is_welcome(), packet.is_reset()))
            });
            let (port, welcomed, was_reset) =
                answer.unwrap_or_else(|| panic!("{target} never answered for {left:?}"));
            assert!(welcomed != was_reset);
            left.remove(&port);
            if welcomed {
                welcome.insert(port)
            } else {
                reset.insert(port)
            };
        }
    }
    (welcome, reset)
}

/// A kernel bounds how many messages say that something is refused: none is waited for, but any that
/// comes says it.
pub(crate) fn only_the_resolver_answers_datagrams() {
    let stage = Stage::new(Reach::Internet, true);
    let (of_host, of_machine) = services(&stage, true);
    for target in [GATEWAY, GATEWAY6, HOST, HOST6] {
        let mut prohibitions = 0_u32;
        let mut answered = BTreeSet::new();
        let mut look = |frames: Vec<Vec<u8>>| {
            for frame in frames.iter().filter(|frame| !is_own_noise(frame)) {
                let Some(packet) = Parsed::of(frame) else { continue };
                if packet.protocol == UDP {
                    answered.insert((packet.from, packet.source_port()));
                } else {
                    assert!(packet.is_prohibition(), "{packet:02x?}");
                    prohibitions += 1;
                }
            }
        };
        for port in 1..=u16::MAX {
            stage.guest().send(&udp_frame((own(target), 41_000), (target, port), b"scan"));
            if port % AT_ONCE == 0 {
                look(stage.guest().frames());
            }
        }
        std::thread::sleep(Duration::from_millis(200));
        look(stage.guest().frames());
        let resolver = target == GATEWAY || target == GATEWAY6;
        let expected: BTreeSet<_> = resolver.then_some((target, DNS_PORT)).into_iter().collect();
        assert_eq!(answered, expected, "{target}");
        assert!(prohibitions > 0, "{target} refused nothing");
    }
    let left: Vec<_> = stage.machine().left.frames();
    let left: Vec<_> = left.iter().filter(|frame| !is_own_noise(frame)).collect();
    assert!(left.is_empty(), "{left:02x?}");
    assert_eq!(of_host.heard(), []);
    assert!(of_machine.heard().iter().all(|(at, _)| at.port() == DNS_PORT));
}
