//! A packet's way, with raw frames in the place of a guest.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    time::{Duration, Instant},
};

use kiln_net::{
    host::Host,
    network::Network,
    plan::{GATEWAY_MAC, GUEST_MAC},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::stage::{INTERNET, Outside, POOL, host, inside, say};

const PORT: u16 = 7;
/// Far longer than a packet takes here.
const ARRIVES: Duration = Duration::from_secs(5);
const HEARD: Duration = Duration::from_secs(2);
const NEVER_ARRIVES: Duration = Duration::from_millis(200);
/// What every frame of a TAP begins with: nothing is left to be done.
const NOTHING_LEFT: [u8; 10] = [0; 10];

struct Guest {
    tap: File,
}

impl Guest {
    fn of(network: &Network) -> Self {
        let (_, tap) = network.parts().next().unwrap();
        Self { tap: tap.try_clone_to_owned().unwrap().into() }
    }

    /// Whether a frame ends so.
    fn hears(&mut self, end: &[u8]) -> bool {
        let deadline = Instant::now() + HEARD;
        while Instant::now() < deadline {
            let mut events = [PollFd::new(&self.tap, PollFlags::IN)];
            let pause = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
            if poll(&mut events, Some(&pause)).unwrap() == 0 {
                continue;
            }
            let mut frame = [0; 2048];
            let length = self.tap.read(&mut frame).unwrap();
            if frame[..length].ends_with(end) {
                return true;
            }
        }
        false
    }

    /// One byte by UDP, which says which one it was.
    fn send(&mut self, to: Ipv4Addr, what: u8) {
        let mut ip = vec![0x45, 0, 0, 29, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 2];
        ip.extend(to.octets());
        let sum: u32 = ip.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1])).sum();
        let sum = !(u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap());
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = NOTHING_LEFT.to_vec();
        frame.extend(GATEWAY_MAC);
        frame.extend(GUEST_MAC);
        frame.extend([8, 0]);
        frame.extend(ip);
        // From port 9; without a sum of its own.
        frame.extend([0, 9, 0, 7, 0, 9, 0, 0, what]);
        self.tap.write_all(&frame).unwrap();
    }
}

/// Whatever a host's links ask of what comes in, answers get back to the guest.
pub(crate) fn answers_come_back() {
    let run = tempfile::tempdir().unwrap();
    let outside = Outside::new();
    answers_by(&mut host(run.path(), &[POOL]), &outside);
}

pub(crate) fn answers_by(host: &mut Host, outside: &Outside) {
    let network = host.make("one", &INTERNET).unwrap();
    let server = outside.namespace.enter(|| UdpSocket::bind(("198.51.100.2", PORT))).unwrap();
    server.set_read_timeout(Some(ARRIVES)).unwrap();
    let mut guest = Guest::of(&network);
    for (what, filter) in [0_u8, 1, 2].into_iter().enumerate() {
        say(&format!("sysctl -qw net.ipv4.conf.wan.rp_filter={filter}"));
        let what = u8::try_from(what).unwrap();
        guest.send([198, 51, 100, 2].into(), what);
        let mut byte = [0];
        let (_, from) = server.recv_from(&mut byte).unwrap();
        assert_eq!(byte, [what]);
        server.send_to(&[what, 0xa5, 0x5a, 0xc3], from).unwrap();
        assert!(guest.hears(&[what, 0xa5, 0x5a, 0xc3]), "with wan.rp_filter={filter}");
    }
    host.release_network(network).unwrap();
}

pub(crate) fn what_is_open_gets_through_and_nothing_without_rules() {
    let run = tempfile::tempdir().unwrap();
    let outside = Outside::new();
    let mut host = host(run.path(), &[POOL]);
    let network = host.make("one", &INTERNET).unwrap();
    let server = outside.namespace.enter(|| UdpSocket::bind(("198.51.100.2", PORT))).unwrap();
    let mut guest = Guest::of(&network);
    let mut arrives = |what: u8, within: Duration| {
        guest.send([198, 51, 100, 2].into(), what);
        server.set_read_timeout(Some(within)).unwrap();
        let mut byte = [0];
        server.recv_from(&mut byte).ok().map(|(_, from)| (byte[0], from))
    };
    let (said, from) = arrives(1, ARRIVES).unwrap();
    // By the host's own address.
    let SocketAddr::V4(from) = from else { panic!("{from}") };
    assert_eq!((said, *from.ip()), (1, Ipv4Addr::new(198, 51, 100, 1)));
    // Whoever flushes what there is: in the machine's namespace, on the host, in both.
    inside(&network, "nft flush ruleset");
    assert_eq!(arrives(2, NEVER_ARRIVES), None);
    say("nft flush ruleset");
    assert_eq!(arrives(3, NEVER_ARRIVES), None);
    drop(host);
    let mut host = crate::stage::host(run.path(), &[POOL]);
    assert_eq!(arrives(4, NEVER_ARRIVES), None, "its own rules are gone still");
    host.release_network(network).unwrap();
    let network = host.make("two", &INTERNET).unwrap();
    let mut guest = Guest::of(&network);
    guest.send([198, 51, 100, 2].into(), 5);
    server.set_read_timeout(Some(ARRIVES)).unwrap();
    let mut byte = [0];
    server.recv(&mut byte).unwrap();
    assert_eq!(byte, [5]);
    say("nft flush ruleset");
    guest.send([198, 51, 100, 2].into(), 6);
    server.set_read_timeout(Some(NEVER_ARRIVES)).unwrap();
    assert!(server.recv(&mut byte).is_err(), "without the host's table nothing gets through");
}
