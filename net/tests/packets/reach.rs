//! What a machine may reach, and for how long.

use std::{
    io,
    net::{IpAddr, TcpStream},
    time::Duration,
};

use kiln_net::{
    nft::{self, ElementsError, NftError},
    plan::{Admission, Reach, SPLICE_PORT},
    record::Transport,
};

use crate::{
    listeners::Listeners,
    stage::{GATEWAY, GATEWAY6, HOST, INSTANCE, PATIENCE, SERVER, SERVER6, Stage},
    traffic::{Answer, Stream, echoes, is_refused, knock},
};

fn admit(stage: &Stage, address: IpAddr, transport: Transport, port: u16, seconds: u32) {
    let admissions = [Admission { address, transport, port, seconds }];
    let admit = || nft::admit(INSTANCE, &admissions).map_err(io::Error::other);
    stage.machine().namespace.enter(admit).unwrap();
}

fn is_welcome(answer: Option<Answer>) -> bool {
    matches!(answer, Some(Answer::Welcome(_)))
}

fn splices(stage: &Stage) -> Listeners {
    let addresses = [(GATEWAY, SPLICE_PORT), (GATEWAY6, SPLICE_PORT)];
    Listeners::open(&stage.machine().namespace, &addresses)
}

pub(crate) fn what_is_admitted_is_spliced() {
    let stage = Stage::new(Reach::Admitted, true);
    let guest = stage.guest();
    let splices = splices(&stage);
    for (server, gateway) in [(SERVER, GATEWAY), (SERVER6, GATEWAY6)] {
        assert_eq!(knock(guest, 8000, (server, 443)), Some(Answer::Reset));
        admit(&stage, server, Transport::Tcp, 443, 60);
        Stream::open(guest, 8001, (server, 443));
        // Neither its neighbours nor its other ports nor by the other transport.
        assert_eq!(knock(guest, 8002, (server, 444)), Some(Answer::Reset));
        let neighbour: IpAddr = match server {
            IpAddr::V4(_) => "203.0.113.81".parse().unwrap(),
            IpAddr::V6(_) => "2001:db8:80::81".parse().unwrap(),
        };
        assert_eq!(knock(guest, 8003, (neighbour, 443)), Some(Answer::Reset));
        assert!(is_refused(guest, 8004, (server, 443)));
        assert!(is_refused(guest, 8004, (server, 444)));
        // The splice is nobody's to ask for, and so is what an endpoint is not at.
        assert_eq!(knock(guest, 8005, (gateway, SPLICE_PORT)), Some(Answer::Reset));
        assert_eq!(knock(guest, 8006, (gateway, 443)), Some(Answer::Reset));
        admit(&stage, gateway, Transport::Tcp, 5432, 60);
        Stream::open(guest, 8007, (gateway, 5432));
    }
    splices.wait(4);
    // No packet of a stream has left: the gateway did not dial.
    assert!(stage.left().is_empty());
}

pub(crate) fn datagrams_that_are_admitted_pass() {
    let stage = Stage::new(Reach::Admitted, true);
    let _servers = Listeners::open(&stage.internet, &[(SERVER, 7), (SERVER6, 7)]);
    for server in [SERVER, SERVER6] {
        assert!(is_refused(stage.guest(), 8010, (server, 7)));
        admit(&stage, server, Transport::Udp, 7, 60);
        assert!(echoes(stage.guest(), 8011, (server, 7), PATIENCE));
        assert_eq!(knock(stage.guest(), 8012, (server, 7)), Some(Answer::Reset));
    }
    let seen = stage.seen();
    assert_eq!(seen.flows.len(), 2);
    for flow in seen.flows {
        let header = if flow.address.is_ipv6() { 40 } else { 20 };
        let bytes = header + 8 + u64::try_from("echo 8011".len()).unwrap();
        assert_eq!((flow.port, flow.transport), (7, Transport::Udp));
        assert_eq!((flow.sent_bytes, flow.received_bytes), (bytes, bytes));
        assert!(flow.first <= flow.last);
        assert!(flow.last.elapsed().unwrap() < Duration::from_secs(60));
    }
}

/// Whoever admits them.
pub(crate) fn other_ways_to_resolve_are_shut() {
    let stage = Stage::new(Reach::Admitted, false);
    let splices = splices_four(&stage);
    let _server = Listeners::open(&stage.internet, &[(SERVER, 53), (SERVER, 443), (SERVER, 853)]);
    for port in [53, 853, 443] {
        admit(&stage, SERVER, Transport::Udp, port, 60);
        assert!(is_refused(stage.guest(), 8020, (SERVER, port)), "{port}");
    }
    for port in [53, 853] {
        admit(&stage, SERVER, Transport::Tcp, port, 60);
        assert_eq!(knock(stage.guest(), 8021, (SERVER, port)), Some(Answer::Reset), "{port}");
    }
    assert_eq!(splices.heard(), []);
    assert!(stage.left().is_empty());
}

fn splices_four(stage: &Stage) -> Listeners {
    Listeners::open(&stage.machine().namespace, &[(GATEWAY, SPLICE_PORT)])
}

pub(crate) fn an_admission_ends() {
    let stage = Stage::new(Reach::Admitted, false);
    let _splices = splices_four(&stage);
    let guest = stage.guest();
    for (seconds, port) in [(1, 443), (2, 444)] {
        admit(&stage, SERVER, Transport::Tcp, port, seconds);
        assert!(is_welcome(knock(guest, 8030, (SERVER, port))));
    }
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(knock(guest, 8031, (SERVER, 443)), Some(Answer::Reset));
    // Begins anew when it is admitted again, and never ends sooner than was last said.
    assert!(is_welcome(knock(guest, 8031, (SERVER, 444))));
    admit(&stage, SERVER, Transport::Tcp, 444, 3);
    admit(&stage, SERVER, Transport::Tcp, 443, 1);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!(knock(guest, 8032, (SERVER, 443)), Some(Answer::Reset));
    assert!(is_welcome(knock(guest, 8032, (SERVER, 444))));
}

/// For a machine that may reach whatever has a name.
pub(crate) fn a_port_of_zero_is_every_port() {
    let stage = Stage::new(Reach::Admitted, true);
    let _splices = splices(&stage);
    let _servers = Listeners::open(&stage.internet, &[(SERVER, 7), (SERVER6, 7)]);
    for server in [SERVER, SERVER6] {
        admit(&stage, server, Transport::Tcp, 0, 60);
        for port in [1, 80, 443, 8443, 65_535] {
            assert!(is_welcome(knock(stage.guest(), 8040, (server, port))), "{port}");
        }
        for port in [53, 853] {
            assert_eq!(knock(stage.guest(), 8040, (server, port)), Some(Answer::Reset), "{port}");
        }
        assert!(is_refused(stage.guest(), 8041, (server, 7)));
        admit(&stage, server, Transport::Udp, 0, 60);
        assert!(echoes(stage.guest(), 8042, (server, 7), PATIENCE));
        assert!(is_refused(stage.guest(), 8043, (server, 443)));
    }
}

/// The gateway's process has the uplink before it, and no more of it than was admitted.
pub(crate) fn the_gateway_dials_what_is_admitted() {
    for reach in [Reach::Closed, Reach::Admitted, Reach::Internet] {
        let stage = Stage::new(reach, true);
        let servers = Listeners::open(&stage.internet, &[(SERVER, 443), (SERVER6, 443)]);
        let dial = |server: IpAddr, port| {
            let patience = Duration::from_secs(2);
            let dialled = stage
                .machine()
                .namespace
                .enter(|| TcpStream::connect_timeout(&(server, port).into(), patience));
            dialled.map(drop).map_err(|error| error.kind())
        };
        for server in [SERVER, SERVER6] {
            let refused = dial(server, 443).unwrap_err();
            assert_ne!(refused, io::ErrorKind::TimedOut, "{server} was not refused at once");
            admit(&stage, server, Transport::Tcp, 443, 60);
            let dialled = dial(server, 443);
            assert_eq!(dialled.is_ok(), reach == Reach::Admitted, "{server} {reach:?} {dialled:?}");
            dial(server, 444).unwrap_err();
        }
        for never in [
            "169.254.169.254",
            "10.0.0.1",
            "fd00:ec2::254",
            "192.0.2.1",
            "198.51.100.6",
            "203.0.113.1",
        ] {
            let never = never.parse().unwrap();
            admit(&stage, never, Transport::Tcp, 443, 60);
            let refused = dial(never, 443).unwrap_err();
            assert_ne!(refused, io::ErrorKind::TimedOut, "{never} was not refused at once");
        }
        servers.wait(if reach == Reach::Admitted { 2 } else { 0 });
    }
}

/// An address that the host gets while a machine runs is the host's at once.
pub(crate) fn the_hosts_addresses_are_kept_up() {
    let stage = Stage::new(Reach::Internet, true);
    let _servers = Listeners::open(&stage.internet, &[(SERVER, 7), (SERVER6, 7)]);
    let tell = |addresses: &[IpAddr]| {
        let tell = || nft::host_addresses(INSTANCE, addresses).map_err(io::Error::other);
        stage.machine().namespace.enter(tell).unwrap();
    };
    for server in [SERVER, SERVER6] {
        assert!(echoes(stage.guest(), 8050, (server, 7), PATIENCE));
    }
    tell(&[HOST, SERVER, SERVER6, SERVER]);
    for server in [SERVER, SERVER6] {
        assert!(is_refused(stage.guest(), 8051, (server, 7)));
    }
    tell(&[]);
    assert!(echoes(stage.guest(), 8052, (SERVER, 7), PATIENCE));
    assert!(echoes(stage.guest(), 8052, (SERVER6, 7), PATIENCE));
}

/// Bounded, however much is admitted, and none of it by halves.
pub(crate) fn admissions_have_a_bound() {
    let stage = Stage::new(Reach::Admitted, false);
    let many: Vec<_> = (0..20_000_u32)
        .map(|number| Admission {
            address: std::net::Ipv4Addr::from(0xcb00_7100 + (number & 0xff)).into(),
            transport: Transport::Tcp,
            port: u16::try_from(number >> 8).unwrap() + 1,
            seconds: 60,
        })
        .collect();
    let admit = |some| stage.machine().namespace.enter(|| Ok(nft::admit(INSTANCE, some))).unwrap();
    let error = |result| match result {
        Err(NftError::Elements(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(error(admit(&many)), ElementsError::TooMany(20_000)));
    // Twice each, for the second time is none too many.
    for some in many.chunks(4096).take(4) {
        admit(some).unwrap();
        admit(some).unwrap();
    }
    assert_eq!(admitted(&stage), 16_384);
    let full = error(admit(&many[16_000..]));
    assert!(matches!(full, ElementsError::Refused { .. }), "{full:?}");
    assert_eq!(admitted(&stage), 16_384);
    let icmp = [Admission { address: SERVER, transport: Transport::Icmp, port: 0, seconds: 1 }];
    assert!(matches!(error(admit(&icmp)), ElementsError::Transport(Transport::Icmp)));
    let elsewhere = stage.machine().namespace.enter(|| Ok(nft::admit("none", &many[..1]))).unwrap();
    assert!(matches!(error(elsewhere), ElementsError::Refused { .. }));
}

fn admitted(stage: &Stage) -> usize {
    let listed = stage.machine().namespace.enter(|| {
        std::process::Command::new("nft").args(["list set inet kiln_packets allowed4"]).output()
    });
    String::from_utf8(listed.unwrap().stdout).unwrap().matches("timeout 1m").count()
}
