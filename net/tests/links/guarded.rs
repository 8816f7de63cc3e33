//! A host that forwarded nothing is no router for its neighbours.

use std::{
    net::{IpAddr, UdpSocket},
    os::fd::{AsFd as _, AsRawFd as _},
    time::{Duration, Instant},
};

use kiln_net::{
    host::{Host, Released},
    namespace::Namespace,
};

use crate::{
    stage::{Outside, POOL, POOL6, host, ip, make, network, say, until},
    traffic,
};

const ARRIVES: Duration = Duration::from_secs(5);
const NEVER_ARRIVES: Duration = Duration::from_millis(150);
const PAUSE: Duration = Duration::from_millis(20);
const PORT: u16 = 7;

/// Another network of the host's, on which somebody listens.
struct Inner {
    namespace: Namespace,
    address: IpAddr,
    server: UdpSocket,
}

impl Inner {
    fn new(six: bool) -> Self {
        let namespace = Namespace::make().unwrap();
        ip("link add inner type veth peer name eth1");
        let descriptor = namespace.as_fd().as_raw_fd();
        ip(&format!("link set eth1 netns /proc/{}/fd/{descriptor}", std::process::id()));
        ip("link set inner addrgenmode none");
        let (own, there) =
            if six { ("2001:db8:2::1", "2001:db8:2::2") } else { ("192.0.2.129", "192.0.2.130") };
        let (prefix, nodad) = if six { (64, "nodad") } else { (25, "") };
        ip(&format!("addr add {own}/{prefix} dev inner {nodad}"));
        // Without one it would not ask where a neighbour is.
        ip("-6 addr add fe80::1/64 dev inner nodad");
        ip("link set inner up");
        let set_up = || {
            ip("link set lo up");
            ip(&format!("addr add {there}/{prefix} dev eth1 {nodad}"));
            ip("link set eth1 up");
            let family = if six { "-6" } else { "-4" };
            ip(&format!("{family} route add default via {own}"));
            Ok(())
        };
        namespace.enter(set_up).unwrap();
        let address: IpAddr = there.parse().unwrap();
        let server = namespace.enter(|| UdpSocket::bind((address, PORT))).unwrap();
        Self { namespace, address, server }
    }

    /// Whether what a neighbour sends by the host arrives.
    fn hears(&self, neighbour: &Namespace, within: Duration) -> bool {
        let socket = neighbour.enter(|| {
            let any = if self.address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            UdpSocket::bind(any)
        });
        // What is late from before is not of this time.
        self.server.set_nonblocking(true).unwrap();
        while self.server.recv(&mut [0]).is_ok() {}
        self.server.set_nonblocking(false).unwrap();
        self.server.set_read_timeout(Some(PAUSE)).unwrap();
        let (socket, deadline) = (socket.unwrap(), Instant::now() + within);
        while Instant::now() < deadline {
            socket.send_to(&[1], (self.address, PORT)).unwrap();
            if self.server.recv(&mut [0]).is_ok() {
                return true;
            }
        }
        false
    }
}

/// Of the neighbour, by the host.
fn way(outside: &Outside, six: bool) {
    let route = if six {
        "-6 route add 2001:db8:2::/64 via 2001:db8:1::1"
    } else {
        "route add 192.0.2.128/25 via 198.51.100.1"
    };
    outside.namespace.enter(|| Ok(ip(route))).unwrap();
}

fn forwards() -> String {
    say("sysctl -n net.ipv4.conf.wan.forwarding").trim().to_owned()
}

fn check(six: bool) {
    let run = tempfile::tempdir().unwrap();
    let pools: &[&str] = if six { &[POOL, POOL6] } else { &[POOL] };
    let outside = Outside::new();
    let inner = Inner::new(six);
    way(&outside, six);
    let all = if six { "ipv6" } else { "ipv4" };
    let router = |on| say(&format!("sysctl -qw net.{all}.conf.all.forwarding={on}"));
    let before = (ip("rule show"), ip("-6 rule show"), say("nft list ruleset"));
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES));
    // The way is there, were the host a router.
    router(1);
    assert!(inner.hears(&outside.namespace, ARRIVES));
    router(0);
    let mut first = host(run.path(), pools);
    assert_eq!(forwards(), "1");
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES), "both");
    let rules = say("nft list ruleset");
    // The table alone.
    let shut: Vec<_> = ["-4", "-6"]
        .into_iter()
        .flat_map(|family| {
            let rules = ip(&format!("{family} rule show"));
            let shut = rules.lines().filter(|rule| rule.contains("blackhole"));
            shut.map(|rule| format!("{family} rule del pref {}", rule.split(':').next().unwrap()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(shut.len() >= 2, "{shut:?}");
    for rule in &shut {
        ip(rule);
    }
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES), "the table alone");
    // The rules of routing alone; the next daemon puts in place what is missing.
    drop(first);
    first = host(run.path(), pools);
    assert_eq!(say("nft list ruleset"), rules);
    say("nft flush ruleset");
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES), "the rules of routing alone");
    drop(first);
    // One that finds forwarding switched on already, by another daemon.
    first = host(run.path(), pools);
    let mut second = Host::prepare(network("0badbeef", pools), run.path()).unwrap();
    assert!(matches!(first.release().unwrap(), Released::Done));
    assert_eq!(forwards(), "1");
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES), "the second one");
    // Somebody makes the host a router while it runs, and means it.
    router(1);
    until("it is told", || second.look().unwrap().outward);
    assert!(inner.hears(&outside.namespace, ARRIVES), "a router");
    router(0);
    assert!(matches!(second.release().unwrap(), Released::Done));
    assert_eq!((ip("rule show"), ip("-6 rule show"), say("nft list ruleset")), before);
    drop(inner.namespace);
}

pub(crate) fn a_host_is_no_router_for_neighbours() {
    check(false);
}

pub(crate) fn a_host_is_no_router_for_neighbours_of_ipv6() {
    check(true);
}

/// Also one that is there only later.
pub(crate) fn a_later_way_is_guarded_too() {
    let run = tempfile::tempdir().unwrap();
    let mut host = host(run.path(), &[POOL]);
    let machine = make(&mut host, "one");
    let outside = Outside::new();
    let inner = Inner::new(false);
    way(&outside, false);
    assert!(host.look().unwrap().outward);
    assert_eq!(forwards(), "1");
    let guarded = say("nft list set inet kiln_0badcafe guarded4");
    assert!(guarded.contains("\"inner\"") && guarded.contains("\"wan\""), "{guarded}");
    assert!(!inner.hears(&outside.namespace, NEVER_ARRIVES));
    host.release_network(machine).unwrap();
    traffic::answers_by(&mut host, &outside);
    host.release().unwrap();
}
