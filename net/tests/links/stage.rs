//! A host: a namespace with a link to an outside, which is another one.

use std::{
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use kiln_net::{
    host::Host,
    namespace::Namespace,
    network::{Network, NetworkError},
    plan::{Cidr, GuestLink, GuestLink6, HostNetwork, Limits, Plan, Reach},
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

pub(crate) const POOL: &str = "203.0.113.0/24";
pub(crate) const POOL6: &str = "2001:db8:cafe::/64";
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const LIMITS: Limits = Limits {
    connections: 512,
    new_connections_per_second: 1000,
    packets_per_second: 100_000,
    bytes_per_second: 1 << 30,
};
pub(crate) const CLOSED: Plan = Plan { reach: Reach::Closed, limits: LIMITS };
pub(crate) const INTERNET: Plan = Plan { reach: Reach::Internet, limits: LIMITS };

/// Runs `test` where nothing but a host's own links is, on a thread that ends with it.
pub(crate) fn on_a_host(test: fn()) {
    let run = move || {
        // SAFETY: it changes the network namespace of this thread, which ends with the test.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.unwrap();
        ip("link set lo up");
        test();
    };
    if let Err(panicked) = thread::spawn(run).join() {
        std::panic::resume_unwind(panicked);
    }
}

pub(crate) fn cidr(text: &str) -> Cidr {
    text.parse().unwrap()
}

/// Of a daemon of its own.
pub(crate) fn network(instance: &str, pools: &[&str]) -> HostNetwork {
    let six = GuestLink6 {
        guest: "fd4b:696c:6e::2".parse().unwrap(),
        gateway: "fd4b:696c:6e::1".parse().unwrap(),
    };
    HostNetwork {
        instance: instance.to_owned(),
        prefix: format!("k{}-", &instance[2..]),
        link: GuestLink {
            guest: [192, 0, 2, 2].into(),
            gateway: [192, 0, 2, 1].into(),
            six: pools.iter().any(|pool| pool.contains(':')).then_some(six),
        },
        pools: pools.iter().map(|pool| cidr(pool)).collect(),
        never: Vec::new(),
        ceiling: Reach::Internet,
        limits: LIMITS,
    }
}

pub(crate) fn host(run: &Path, pools: &[&str]) -> Host {
    Host::prepare(network("0badcafe", pools), run).unwrap()
}

pub(crate) fn make(host: &mut Host, machine: &str) -> Network {
    host.make(machine, &CLOSED).unwrap_or_else(|error| panic!("{}", chain(&error)))
}

pub(crate) fn chain(error: &NetworkError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Runs a program in the calling thread's namespace.
pub(crate) fn say(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn ip(arguments: &str) -> String {
    say(&format!("ip {arguments}"))
}

/// The same in a machine's namespace.
pub(crate) fn inside(network: &Network, line: &str) -> String {
    let namespace = Namespace::of(network.namespace()).unwrap();
    let line = line.to_owned();
    namespace.enter(move || Ok(say(&line))).unwrap()
}

pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// An outside, behind `wan`, which is this host's way to everything.
pub(crate) struct Outside {
    pub(crate) namespace: Namespace,
}

impl Outside {
    pub(crate) fn new() -> Self {
        let namespace = Namespace::make().unwrap();
        ip("link add wan type veth peer name eth0");
        hand_over("eth0", &namespace);
        // What it would give itself it would settle while a test looks.
        ip("link set wan addrgenmode none");
        ip("addr add 198.51.100.1/24 dev wan");
        ip("-6 addr add 2001:db8:1::1/64 dev wan nodad");
        ip("link set wan up");
        let there = || {
            ip("link set lo up");
            ip("addr add 198.51.100.2/24 dev eth0");
            ip("-6 addr add 2001:db8:1::2/64 dev eth0 nodad");
            ip("link set eth0 up");
            Ok(())
        };
        namespace.enter(there).unwrap();
        ip("route add default via 198.51.100.2");
        ip("-6 route add default via 2001:db8:1::2");
        Self { namespace }
    }
}

fn hand_over(link: &str, namespace: &Namespace) {
    use std::os::fd::{AsFd as _, AsRawFd as _};

    let descriptor = namespace.as_fd().as_raw_fd();
    let path = format!("/proc/{}/fd/{descriptor}", std::process::id());
    ip(&format!("link set {link} netns {path}"));
}
