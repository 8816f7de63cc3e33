//! The program under test, started as it is in a machine's namespace.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixListener, process::CommandExt},
    },
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use kiln_net::{
    control::{
        CONTROL_FD, DNS_TCP_FD, DNS_TCP6_FD, DNS_UDP_FD, DNS_UDP6_FD, Event, GatewayConfig,
        REGISTRY_FD, REGISTRY6_FD, SPLICE_FD, SPLICE6_FD,
    },
    plan::{GuestLink, GuestLink6},
    policy::{Endpoint, Pattern, Policy, Protocol, Rule},
    record::{Reason, Refused},
};

use crate::daemon::{Daemon, Memory};

pub(crate) struct Gateway {
    child: Child,
    directory: tempfile::TempDir,
    pub(crate) udp: SocketAddr,
    pub(crate) tcp: SocketAddr,
    pub(crate) splice: SocketAddr,
    pub(crate) memory: Memory,
    pub(crate) daemon: Option<Daemon>,
}

/// What a test says of it.
pub(crate) struct Setup {
    pub(crate) policy: Policy,
    pub(crate) six: bool,
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) never: Vec<&'static str>,
    /// Of the resolver; any that is free when it is 0.
    pub(crate) port: u16,
    pub(crate) registry: bool,
}

impl Setup {
    pub(crate) fn of(policy: Policy) -> Self {
        Self {
            policy,
            six: false,
            endpoints: Vec::new(),
            never: Vec::new(),
            port: 0,
            registry: true,
        }
    }

    pub(crate) fn with_six(mut self) -> Self {
        self.six = true;
        self
    }

    pub(crate) fn start(self) -> Gateway {
        let mut gateway = self.start_alone();
        gateway.connect();
        gateway
    }

    pub(crate) fn start_alone(self) -> Gateway {
        let directory = tempfile::tempdir().unwrap();
        let (six, port) = (self.six, self.port);
        let config = config(self, directory.path().join("egress.log"));
        let path = directory.path().join("egress.json");
        std::fs::write(&path, serde_json::to_vec(&config).unwrap()).unwrap();

        let udp = UdpSocket::bind(("127.0.0.1", port)).unwrap();
        let tcp = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let (udp_address, tcp_address) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let splice = TcpListener::bind("127.0.0.1:0").unwrap();
        let splice_address = splice.local_addr().unwrap();
        let control = UnixListener::bind(directory.path().join("gateway.sock")).unwrap();
        let mut sockets: Vec<(i32, OwnedFd)> = vec![
            (CONTROL_FD, control.into()),
            (DNS_UDP_FD, udp.into()),
            (DNS_TCP_FD, tcp.into()),
            (SPLICE_FD, splice.into()),
            (REGISTRY_FD, TcpListener::bind("127.0.0.1:0").unwrap().into()),
        ];
        if six {
            sockets.push((DNS_UDP6_FD, UdpSocket::bind("[::1]:0").unwrap().into()));
            sockets.push((DNS_TCP6_FD, TcpListener::bind("[::1]:0").unwrap().into()));
            sockets.push((SPLICE6_FD, TcpListener::bind("[::1]:0").unwrap().into()));
            sockets.push((REGISTRY6_FD, TcpListener::bind("[::1]:0").unwrap().into()));
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_kiln-gateway"));
        command.arg(&path);
        give(&mut command, sockets);
        Gateway {
            child: command.spawn().unwrap(),
            directory,
            udp: udp_address,
            tcp: tcp_address,
            splice: splice_address,
            memory: Memory::new(),
            daemon: None,
        }
    }
}

/// Each under its number, after the fork.
pub(crate) fn give(command: &mut Command, sockets: Vec<(i32, OwnedFd)>) {
    // Out of the way of the numbers that they get.
    let sockets: Vec<(i32, OwnedFd)> = sockets
        .into_iter()
        .map(|(number, socket)| (number, rustix::io::fcntl_dupfd_cloexec(&socket, 400).unwrap()))
        .collect();
    // SAFETY: only dup2 is called between fork and exec, on descriptors that the closure owns.
    unsafe {
        command.pre_exec(move || {
            for (number, socket) in &sockets {
                if rustix_dup2(socket.as_raw_fd(), *number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

fn rustix_dup2(from: i32, to: i32) -> i32 {
    // SAFETY: both are numbers of the child's own; `to` is nobody's there.
    unsafe { libc::dup2(from, to) }
}

impl Gateway {
    /// A daemon in place of the one before.
    pub(crate) fn connect(&mut self) {
        self.daemon = None;
        let socket = self.directory.path().join("gateway.sock");
        self.daemon = Some(Daemon::start(&socket, self.memory.clone()));
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("gateway.sock")
    }

    /// The most that it ever had, in KiB.
    pub(crate) fn memory_peak(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Ends it, and reads what it wrote down.
    pub(crate) fn end(mut self) -> Vec<Event> {
        self.terminate();
        self.events()
    }

    /// Kills it, and reads what it had written down by then.
    pub(crate) fn kill(&mut self) -> Vec<Event> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < limit, "the gateway does not end");
            std::thread::sleep(Duration::from_millis(1));
        }
        self.events()
    }

    fn events(&self) -> Vec<Event> {
        let text = std::fs::read_to_string(self.directory.path().join("egress.log")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// What was refused, counted, without the times.
    pub(crate) fn refusals(self) -> Vec<(String, String, Reason, u64)> {
        refusals(&self.end())
    }

    fn terminate(&mut self) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let limit = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "the gateway ended with {status}");
                return;
            }
            assert!(Instant::now() < limit, "the gateway does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.try_wait();
    }
}

pub(crate) fn refusals(events: &[Event]) -> Vec<(String, String, Reason, u64)> {
    let mut refusals = std::collections::BTreeMap::new();
    for event in events {
        if let Event::Refused(refusal) = event
            && let Refused::Query { name, kind } = &refusal.what
        {
            let key = (name.clone(), kind.clone(), refusal.reason);
            *refusals.entry(key).or_insert(0) += refusal.times;
        }
    }
    refusals.into_iter().map(|((name, kind, reason), times)| (name, kind, reason, times)).collect()
}

pub(crate) fn config(setup: Setup, record: PathBuf) -> GatewayConfig {
    GatewayConfig {
        policy: setup.policy,
        link: GuestLink {
            guest: [192, 0, 2, 2].into(),
            gateway: [192, 0, 2, 1].into(),
            six: setup.six.then(|| GuestLink6 {
                guest: "2001:db8:1::2".parse().unwrap(),
                gateway: "2001:db8:1::1".parse().unwrap(),
            }),
        },
        endpoints: setup.endpoints,
        never: setup.never.iter().map(|block| block.parse().unwrap()).collect(),
        connections: 64,
        registry: setup.registry,
        record,
        record_bytes: 4 << 20,
    }
}

/// `one.test` and `two.test` by name, and whatever is below `wild.test`.
pub(crate) fn allow() -> Policy {
    let rule = |pattern, port, protocol| Rule { pattern, port, protocol };
    Policy::Allow(vec![
        rule(exact("one.test"), 443, Protocol::Tls),
        rule(exact("one.test"), 8443, Protocol::Tcp),
        rule(exact("two.test"), 80, Protocol::Http),
        rule(exact("time.test"), 123, Protocol::Udp),
        rule(Pattern::Suffix("wild.test".parse().unwrap()), 443, Protocol::Tls),
    ])
}

fn exact(name: &str) -> Pattern {
    Pattern::Exact(name.parse().unwrap())
}

/// A program that can't start: what it said.
pub(crate) fn output(command: &mut Command) -> (bool, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}
