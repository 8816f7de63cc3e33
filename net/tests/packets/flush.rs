//! The rules go while a guest is at it: then nothing goes.

use std::{
    io,
    net::IpAddr,
    process::Command,
    time::{Duration, Instant},
};

use kiln_net::{
    namespace::Namespace,
    nft,
    plan::{Admission, Reach, SPLICE_PORT},
    record::Transport,
    ruleset,
};

use crate::{
    capture::is_own_noise,
    frame::transport::{Parsed, TCP, UDP, syn_frame, udp_frame},
    guest::Guest,
    listeners::Listeners,
    stage::{GATEWAY, HOST, HOST6, INSTANCE, PATIENCE, SERVER, SERVER6, Stage, network},
    traffic::{Stream, echoes, own},
};

/// So long after the last packet, no other is under way.
const QUIET: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
enum Where {
    Machine,
    Host,
}

/// What somebody else does to our rules.
const WAYS: [(Where, &[&str]); 7] = [
    (Where::Machine, &["flush ruleset"]),
    (Where::Machine, &["delete table inet kiln_packets"]),
    (Where::Machine, &["flush table inet kiln_packets"]),
    (Where::Machine, &["delete table netdev kiln_packets", "delete table inet kiln_packets"]),
    (Where::Host, &["flush ruleset"]),
    (Where::Host, &["delete table inet kiln_packets"]),
    (Where::Host, &["flush table inet kiln_packets"]),
];

/// How much has been said before.
#[derive(Clone, Copy, Debug)]
enum Moment {
    Nothing,
    /// Datagrams have been going both ways.
    Datagrams,
    /// A stream is open.
    Stream,
    /// Both, and they go on while it happens.
    Running,
}

const MOMENTS: [Moment; 4] = [Moment::Nothing, Moment::Datagrams, Moment::Stream, Moment::Running];

fn nft(namespace: &Namespace, commands: &[&str]) {
    for command in commands {
        let done = namespace.enter(|| Command::new("nft").arg(command).output()).unwrap();
        assert!(done.status.success(), "{command}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

pub(crate) fn then_no_packet_passes() {
    let mut cases = 0;
    for (place, commands) in WAYS {
        for moment in MOMENTS {
            let six = cases % 2 == 0;
            check(place, commands, moment, six);
            cases += 1;
        }
    }
    assert!(cases >= 20, "{cases}");
}

fn check(place: Where, commands: &[&str], moment: Moment, six: bool) {
    let stage = Stage::new(Reach::Internet, six);
    let servers: &[IpAddr] = if six { &[SERVER, SERVER6] } else { &[SERVER] };
    let ports: Vec<_> = servers.iter().map(|server| (*server, 7)).collect();
    let _listeners = Listeners::open(&stage.internet, &ports);
    let guest = stage.guest();
    let mut streams = Vec::new();
    for server in servers {
        if matches!(moment, Moment::Datagrams | Moment::Running) {
            assert!(echoes(guest, 7001, (*server, 7), PATIENCE));
        }
        if matches!(moment, Moment::Stream | Moment::Running) {
            streams.push(Stream::open(guest, 7002, (*server, 7)));
        }
    }
    let namespace = match place {
        Where::Machine => &stage.machine().namespace,
        Where::Host => &stage.host,
    };
    if matches!(moment, Moment::Running) {
        std::thread::scope(|scope| {
            let until = Instant::now() + Duration::from_millis(150);
            let talk = scope.spawn(move || {
                while Instant::now() < until {
                    talk(guest, servers, &[]);
                }
            });
            nft(namespace, commands);
            talk.join().unwrap();
        });
    } else {
        nft(namespace, commands);
    }
    // What was under way has arrived.
    let frames = || [stage.arrived.frames(), guest.frames()].concat();
    let deadline = Instant::now() + PATIENCE;
    let mut quiet = Instant::now();
    while quiet.elapsed() < QUIET {
        assert!(Instant::now() < deadline, "{place:?} {commands:?} {moment:?}: it goes on");
        if frames().iter().any(|frame| is_from_inside(frame) || is_of(frame, servers)) {
            quiet = Instant::now();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    for _ in 0..5 {
        talk(guest, servers, &streams);
    }
    answer(&stage, servers);
    std::thread::sleep(QUIET);
    let arrived: Vec<_> =
        stage.arrived.frames().into_iter().filter(|frame| is_from_inside(frame)).collect();
    assert!(arrived.is_empty(), "{place:?} {commands:?} {moment:?}: {arrived:02x?}");
    let told: Vec<_> = guest.frames().into_iter().filter(|frame| is_of(frame, servers)).collect();
    assert!(told.is_empty(), "{place:?} {commands:?} {moment:?}: {told:02x?}");
}

/// Old and new.
fn talk(guest: &Guest, servers: &[IpAddr], streams: &[Stream]) {
    for server in servers {
        for port in [7001, 7003] {
            let _ = guest.try_send(&udp_frame((own(*server), port), (*server, 7), b"after"));
        }
        let _ = guest.try_send(&syn_frame((own(*server), 7004), (*server, 7)));
    }
    for stream in streams {
        let _ = guest.try_send(&stream.says(b"after"));
    }
}

/// The server's side, to where the guest's packets came from.
fn answer(stage: &Stage, servers: &[IpAddr]) {
    let host = |server: &IpAddr| if server.is_ipv6() { HOST6 } else { HOST };
    let said = stage.internet.enter(|| {
        for server in servers {
            let socket = std::net::UdpSocket::bind((*server, 8))?;
            for port in [7001, 7002, 7003] {
                // Refused or not.
                let _ = socket.send_to(b"answer", (host(server), port));
            }
        }
        Ok(())
    });
    said.unwrap();
}

/// No answer of a kernel's that it knows of no such connection, which no guest has made.
fn is_from_inside(frame: &[u8]) -> bool {
    !is_own_noise(frame)
        && Parsed::of(frame).is_some_and(|packet| {
            let is_said = packet.protocol == UDP || packet.protocol == TCP && !packet.is_reset();
            is_said && packet.from != SERVER && packet.from != SERVER6
        })
}

/// A server's words, rather than the kernel's own that there is no way.
fn is_of(frame: &[u8], servers: &[IpAddr]) -> bool {
    Parsed::of(frame).is_some_and(|packet| servers.contains(&packet.from))
}

/// Where names decide, nothing else decides when the rules are gone; and the rules can come back.
pub(crate) fn what_was_admitted_is_shut() {
    let stage = Stage::new(Reach::Admitted, false);
    let spliced = Listeners::open(&stage.machine().namespace, &[(GATEWAY, SPLICE_PORT)]);
    let _server = Listeners::open(&stage.internet, &[(SERVER, 7)]);
    let machine = &stage.machine().namespace;
    let admit = || {
        let admission = |transport| Admission { address: SERVER, transport, port: 7, seconds: 600 };
        let admissions = [admission(Transport::Tcp), admission(Transport::Udp)];
        machine.enter(|| nft::admit(INSTANCE, &admissions).map_err(io::Error::other)).unwrap();
    };
    admit();
    assert!(echoes(stage.guest(), 7001, (SERVER, 7), PATIENCE));
    let stream = Stream::open(stage.guest(), 7002, (SERVER, 7));
    spliced.wait(1);
    nft(machine, &["flush ruleset"]);
    stage.arrived.frames();
    for _ in 0..3 {
        talk(stage.guest(), &[SERVER], std::slice::from_ref(&stream));
    }
    std::thread::sleep(Duration::from_millis(20));
    assert!(!stage.arrived.frames().iter().any(|frame| is_from_inside(frame)));
    let plan = kiln_net::plan::Plan { reach: Reach::Admitted, limits: crate::stage::WIDE };
    let rules = ruleset::machine(&network(false), &plan, &stage.machine().lease, &[HOST]);
    machine.enter(|| nft::apply(&rules).map_err(io::Error::other)).unwrap();
    stage.guest().frames();
    assert!(!echoes(stage.guest(), 7005, (SERVER, 7), Duration::from_millis(100)));
    admit();
    assert!(echoes(stage.guest(), 7006, (SERVER, 7), PATIENCE));
}
