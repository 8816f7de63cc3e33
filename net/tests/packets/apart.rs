//! Two machines of one host, and one whose own rules are gone or lie.

use std::net::{IpAddr, Ipv4Addr};

use kiln_net::plan::{GATEWAY_MAC, GUEST_MAC, Plan, Reach};

use crate::{
    capture::{Capture, is_own_noise, send},
    frame::{
        BROADCAST, IPV4, Mac, ethernet, four, honest,
        neighbour::Arp,
        transport::{ICMP, Parsed, TCP, UDP, echo, framed, packet, syn, syn_frame, udp, udp_frame},
    },
    listeners::Listeners,
    stage::{
        GATEWAY, GATEWAY6, GUEST, GUEST4, GUEST6, HOST, HOST6, SERVER, SERVER6, Stage, WIDE, ip,
        ip6,
    },
    traffic::{echoes, own},
};

/// Of an uplink's two ends.
const OUTER: Mac = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x03];
const INNER: Mac = [0x02, 0x4b, 0x69, 0x6c, 0x6e, 0x04];

/// By any address that either could try.
pub(crate) fn two_machines_exchange_no_frame() {
    let plan = Plan { reach: Reach::Internet, limits: WIDE };
    let stage = Stage::with(plan, true, 2);
    let _servers = Listeners::open(&stage.internet, &[(SERVER, 7), (SERVER6, 7)]);
    let [one, other] = &stage.machines[..] else { panic!("there are two") };
    for machine in [one, other] {
        for server in [SERVER, SERVER6] {
            assert!(echoes(&machine.guest, 6999, (server, 7), crate::stage::PATIENCE));
        }
        machine.guest.frames();
        machine.left.frames();
    }
    let addresses: [IpAddr; 6] = [
        other.lease.address.into(),
        other.lease.address6.unwrap().into(),
        GUEST,
        GUEST6,
        one.lease.address.into(),
        one.lease.address6.unwrap().into(),
    ];
    for to in addresses {
        for port in [7, 22, 53, 6999, 15001] {
            one.guest.send(&syn_frame((own(to), 6999), (to, port)));
            one.guest.send(&udp_frame((own(to), 6999), (to, port), b"neighbour"));
        }
        // As what the other has open would be answered, and as the other itself.
        for (server, from) in [(SERVER, 7), (SERVER6, 7)] {
            if server.is_ipv6() == to.is_ipv6() {
                one.guest.send(&udp_frame((server, from), (to, 6999), b"neighbour"));
                one.guest.send(&udp_frame((to, 6999), (server, from), b"neighbour"));
            }
        }
        if let IpAddr::V4(to) = to {
            let arp = Arp { operation: 1, sender: (GUEST_MAC, GUEST4), target: ([0; 6], to) };
            one.guest.send(&arp.frame(BROADCAST, GUEST_MAC));
            one.guest.send(&framed(GUEST, to.into(), ICMP, &echo(b"neighbour")));
        }
    }
    for to in ["255.255.255.255", "198.51.100.255", "198.19.255.255", "224.0.0.1", "224.0.0.251"] {
        let to: Ipv4Addr = to.parse().unwrap();
        let datagram = udp((GUEST, 1), (to.into(), 1), b"neighbour");
        let packet = four::Packet::new(GUEST4, to, UDP, &datagram).bytes();
        for mac in [BROADCAST, GATEWAY_MAC, GUEST_MAC, [1, 0, 0x5e, 0, 0, 1]] {
            one.guest.send(&ethernet(mac, GUEST_MAC, IPV4, &packet));
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    let reached: Vec<_> =
        other.guest.frames().into_iter().filter(|frame| !is_own_noise(frame)).collect();
    assert!(reached.is_empty(), "{reached:02x?}");
    let passed: Vec<_> =
        other.left.frames().into_iter().filter(|frame| !is_own_noise(frame)).collect();
    assert!(passed.is_empty(), "{passed:02x?}");
    for machine in [one, other] {
        assert!(echoes(&machine.guest, 6999, (SERVER, 7), crate::stage::PATIENCE));
    }
}

/// What sends past them all: onto the uplink itself, as only root of the host could there.
pub(crate) fn the_host_trusts_no_machine() {
    let plan = Plan { reach: Reach::Internet, limits: WIDE };
    let stage = Stage::with(plan, true, 2);
    let services = [(HOST, 80), (HOST6, 80), (HOST, 53)];
    let of_host = Listeners::open(&stage.host, &services);
    let servers = Listeners::open(&stage.internet, &[(SERVER, 80), (SERVER6, 80)]);
    ip(&stage.host, "address add 169.254.169.254/32 dev lo\n");
    let [one, other] = &stage.machines[..] else { panic!("there are two") };
    let outside = Capture::open(&stage.host, "wan");
    let uplink = Capture::open(&one.namespace, "uplink");
    let leased: IpAddr = one.lease.address.into();
    let leased6: IpAddr = one.lease.address6.unwrap().into();
    let neighbour: IpAddr = other.lease.address.into();
    let neighbour6: IpAddr = other.lease.address6.unwrap().into();
    let metadata: IpAddr = "169.254.169.254".parse().unwrap();
    let mut cases: Vec<(IpAddr, IpAddr)> = vec![
        (leased, HOST),
        (leased6, HOST6),
        (leased, neighbour),
        (leased6, neighbour6),
        (leased, metadata),
        (leased, "10.0.0.1".parse().unwrap()),
        (leased, "192.0.2.1".parse().unwrap()),
        (leased6, "fd00:ec2::254".parse().unwrap()),
        (leased, "198.51.100.1".parse().unwrap()),
        (neighbour, SERVER),
        (neighbour6, neighbour6),
        (GUEST, SERVER),
        (GATEWAY, SERVER),
        (GUEST6, SERVER6),
        (GATEWAY6, SERVER6),
        (HOST, SERVER),
        (SERVER, HOST),
        ("127.0.0.1".parse().unwrap(), HOST),
        ("203.0.113.9".parse().unwrap(), SERVER),
        ("2001:db8:80::9".parse().unwrap(), SERVER6),
        ("2001:db8:51:1::1".parse().unwrap(), SERVER6),
    ];
    cases.extend(
        ["127.0.0.1", "224.0.0.1", "255.255.255.255"].map(|to| (leased, to.parse().unwrap())),
    );
    for (from, to) in &cases {
        for (protocol, payload) in
            [(TCP, syn((*from, 80), (*to, 80))), (UDP, udp((*from, 80), (*to, 80), b"host"))]
        {
            let (kind, packet) = packet(*from, *to, protocol, &payload);
            let frame = ethernet(OUTER, INNER, kind, &packet);
            send(&one.namespace, &uplink, &frame);
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert_eq!(of_host.heard(), []);
    assert_eq!(servers.heard(), []);
    let passed: Vec<_> =
        outside.frames().into_iter().filter(|frame| !is_own_noise(frame)).collect();
    let ours = |frame: &Vec<u8>| {
        Parsed::of(frame).is_some_and(|packet| [TCP, UDP].contains(&packet.protocol))
    };
    assert!(!passed.iter().any(ours), "{passed:02x?}");
    assert!(!other.left.frames().iter().any(ours));
    // The same way works with the address that was leased.
    let honest_frame = {
        let datagram = udp((leased, 80), (SERVER, 80), b"host");
        let IpAddr::V4(server) = SERVER else { panic!("{SERVER}") };
        let packet = four::Packet::new(one.lease.address, server, UDP, &datagram).bytes();
        let mut frame = honest(IPV4, &packet);
        frame[..6].copy_from_slice(&OUTER);
        frame
    };
    send(&one.namespace, &uplink, &honest_frame);
    let arrives = |frame: &[u8]| {
        Parsed::of(frame).is_some_and(|packet| packet.datagram() == b"host" && packet.from == HOST)
    };
    stage.arrived.until(arrives, crate::stage::PATIENCE).unwrap();
}

/// Nobody outside opens anything to a machine.
pub(crate) fn nobody_outside_reaches_a_machine() {
    let stage = Stage::new(Reach::Internet, true);
    ip(&stage.internet, &format!("route add 198.51.100.0/24 via {HOST}\n"));
    ip6(&stage.internet, &["route", "add", "2001:db8:51::/64", "via", &HOST6.to_string()]);
    let machine = stage.machine();
    let sender = stage.internet.enter(|| {
        let four = std::net::UdpSocket::bind((SERVER, 9))?;
        let six = std::net::UdpSocket::bind((SERVER6, 9))?;
        for port in [53, 9, 15001] {
            four.send_to(b"knock", (machine.lease.address, port))?;
            six.send_to(b"knock", (machine.lease.address6.unwrap(), port))?;
        }
        Ok(())
    });
    sender.unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let arrived: Vec<_> =
        machine.left.frames().into_iter().filter(|frame| !is_own_noise(frame)).collect();
    assert!(arrived.is_empty(), "{arrived:02x?}");
    let told: Vec<_> =
        machine.guest.frames().into_iter().filter(|frame| !is_own_noise(frame)).collect();
    assert!(told.is_empty(), "{told:02x?}");
}
