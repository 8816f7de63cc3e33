//! What is noted of a machine, and that it has a bound.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::{Duration, SystemTime},
};

use kiln_net::{
    plan::{Limits, Plan, Reach},
    record::Transport,
    seen::LISTED,
};

use crate::{
    frame::transport::{ICMP, ICMP6, Parsed, echo, echo6, framed, syn_frame, udp_frame},
    listeners::Listeners,
    stage::{GATEWAY, GUEST, GUEST6, PATIENCE, SERVER, SERVER6, Stage, WIDE},
    traffic::{Answer, Stream, echoes, knock, own},
};

pub(crate) fn flows_have_their_bytes_and_times() {
    let stage = Stage::new(Reach::Internet, true);
    let _servers = Listeners::open(&stage.internet, &[(SERVER, 7), (SERVER6, 7)]);
    let begun = SystemTime::now() - Duration::from_secs(2);
    for server in [SERVER, SERVER6] {
        let question = 20 + u64::from(server.is_ipv6()) * 20 + 8 + 9;
        for _ in 0..3 {
            assert!(echoes(stage.guest(), 9001, (server, 7), PATIENCE));
        }
        Stream::open(stage.guest(), 9002, (server, 7));
        let (protocol, message) = if server.is_ipv6() {
            (ICMP6, echo6(GUEST6, server, b"ping"))
        } else {
            (ICMP, echo(b"ping"))
        };
        stage.guest().send(&framed(own(server), server, protocol, &message));
        let answered = |frame: &[u8]| {
            let packet = Parsed::of(frame)?;
            (packet.from == server && packet.protocol == protocol).then_some(())
        };
        stage.guest().wait(PATIENCE, answered).unwrap();
        let seen = stage.seen();
        let flow = |transport| {
            let is_it = |flow: &&kiln_net::seen::SeenFlow| {
                flow.address == server && flow.transport == transport
            };
            *seen.flows.iter().find(is_it).unwrap()
        };
        let datagrams = flow(Transport::Udp);
        assert_eq!(datagrams.port, 7);
        assert_eq!((datagrams.sent_bytes, datagrams.received_bytes), (question * 3, question * 3));
        let stream = flow(Transport::Tcp);
        assert!(stream.sent_bytes >= 80 && stream.received_bytes >= 40, "{stream:?}");
        let pinged = flow(Transport::Icmp);
        assert_eq!((pinged.port, pinged.sent_bytes), (0, pinged.received_bytes));
        for flow in seen.flows {
            assert!(begun < flow.first && flow.first <= flow.last, "{flow:?}");
            assert!(flow.last < SystemTime::now() + Duration::from_secs(2), "{flow:?}");
        }
    }
    let seen = stage.seen();
    assert_eq!((seen.flows.len(), seen.more_flows), (6, 0));
}

/// As much as there is, of the longest there are.
pub(crate) fn a_record_fits_a_message() {
    let stage = Stage::new(Reach::Internet, true);
    let destination = |number: u16| {
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, number))
    };
    let private = |number: u16| {
        IpAddr::V6(Ipv6Addr::new(0xfdff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, number))
    };
    for number in 0..3000 {
        stage.guest().send(&udp_frame(
            (GUEST6, 60_000),
            (destination(0xf000 + number), 60_000),
            b"x",
        ));
        stage.guest().send(&udp_frame((GUEST6, 60_000), (private(0xf000 + number), 60_000), b"x"));
        if number % 100 == 0 {
            stage.guest().frames();
        }
    }
    let seen = stage.seen();
    assert_eq!((seen.flows.len(), seen.refused.len()), (LISTED, LISTED));
    // Those that the kernel has and does not tell, and those for which it had no room.
    let unlisted = 3000 - u64::try_from(LISTED).unwrap();
    assert_eq!((seen.more_flows, seen.more_refused), (unlisted, unlisted));
    let bytes = serde_json::to_vec(&seen).unwrap();
    assert!(bytes.len() < 100_000, "{}", bytes.len());
    assert_eq!(serde_json::from_slice::<kiln_net::seen::Seen>(&bytes).unwrap(), seen);
}

fn with_limits(limits: Limits) -> Stage {
    Stage::with(Plan { reach: Reach::Internet, limits }, false, 1)
}

pub(crate) fn limits_hold() {
    let stage = with_limits(Limits { connections: 4, ..WIDE });
    let _server = Listeners::open(&stage.internet, &[(SERVER, 7)]);
    let welcome = (0..12).filter(|port| {
        matches!(knock(stage.guest(), 9100 + port, (SERVER, 7)), Some(Answer::Welcome(_)))
    });
    assert_eq!(welcome.count(), 4, "connections at once");
    assert_eq!(stage.seen().limited_packets, 8);

    let stage = with_limits(Limits { new_connections_per_second: 5, ..WIDE });
    let _server = Listeners::open(&stage.internet, &[(SERVER, 7)]);
    for port in 0..100 {
        stage.guest().send(&syn_frame((GUEST, 9200 + port), (SERVER, 7)));
    }
    let limited = stage.seen().limited_packets;
    assert!((85..=95).contains(&limited), "new connections: {limited}");

    let stage = with_limits(Limits { packets_per_second: 50, ..WIDE });
    for _ in 0..500 {
        stage.guest().send(&udp_frame((GUEST, 9300), (SERVER, 9), b"flood"));
    }
    let arrived = stage.left().iter().filter(|frame| is_flood(frame)).count();
    assert!((50..=75).contains(&arrived), "packets: {arrived}");

    let stage = with_limits(Limits { bytes_per_second: 100_000, ..WIDE });
    let payload = vec![b'f'; 1000];
    for _ in 0..3000 {
        stage.guest().send(&udp_frame((GUEST, 9400), (SERVER, 9), &payload));
    }
    // A burst of one MiB is let through, and hardly more.
    let arrived = stage.left().iter().filter(|frame| is_flood(frame)).count() * 1042;
    assert!((900_000..=1_400_000).contains(&arrived), "bytes: {arrived}");
}

fn is_flood(frame: &[u8]) -> bool {
    Parsed::of(frame).is_some_and(|packet| packet.datagram().starts_with(b"f"))
}

/// Towards the guest as well, whoever sends.
pub(crate) fn what_comes_back_is_limited() {
    let stage = with_limits(Limits { packets_per_second: 50, ..WIDE });
    let server = stage.internet.enter(|| std::net::UdpSocket::bind((SERVER, 9))).unwrap();
    stage.guest().send(&udp_frame((GUEST, 9500), (SERVER, 9), b"ask"));
    let mut buffer = [0; 16];
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let (_, from) = server.recv_from(&mut buffer).unwrap();
    for _ in 0..500 {
        server.send_to(b"flood", from).unwrap();
    }
    std::thread::sleep(Duration::from_millis(50));
    let told = stage.guest().frames().iter().filter(|frame| is_flood(frame)).count();
    assert!((49..=80).contains(&told), "packets: {told}");
}

/// Of the resolver's port and of echoes; a flood of either is no flood of the host's.
pub(crate) fn the_gateway_is_not_flooded() {
    let stage = Stage::new(Reach::Closed, false);
    let sink =
        stage.machine().namespace.enter(|| std::net::UdpSocket::bind((GATEWAY, 53))).unwrap();
    sink.set_nonblocking(true).unwrap();
    for port in 0..5000 {
        stage.guest().send(&udp_frame((GUEST, 10_000 + port), (GATEWAY, 53), b"flood"));
        stage.guest().send(&framed(GUEST, GATEWAY, ICMP, &echo(b"flood")));
    }
    let mut buffer = [0; 16];
    let mut heard = 0;
    while sink.recv_from(&mut buffer).is_ok() {
        heard += 1;
    }
    assert!((1..=256).contains(&heard), "questions: {heard}");
    let echoed = stage
        .guest()
        .frames()
        .iter()
        .filter(|frame| {
            Parsed::of(frame).is_some_and(|packet| packet.protocol == ICMP && packet.body[0] == 0)
        })
        .count();
    assert!((1..=40).contains(&echoed), "echoes: {echoed}");
}
