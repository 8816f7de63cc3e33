//! Namespaces that stand for a host, its internet, and its machines.
//!
//! ```text
//! guest ══ "guest" [machine] "uplink" ══ "kpacket-N" [host] "wan" ══ "outside" [internet]
//! ```
//! Host and internet are ours; all that is left of the host is made as for any machine.

mod address;
mod setup;

use std::{io, time::Duration};

use kiln_net::{
    host::Host,
    namespace::Namespace,
    network::{Network, TAP_PART},
    plan::{Lease, Limits, Plan, Reach},
    seen::{self, Seen},
};
use tempfile::TempDir;

pub(crate) use address::{
    GATEWAY, GATEWAY_SIX, GATEWAY4, GATEWAY6, GUEST, GUEST_SIX, GUEST4, GUEST6, HOST, HOST6,
    INSTANCE, SERVER, SERVER6, lease, network,
};
pub(crate) use setup::{ip, ip6, set};

use crate::{
    capture::{Capture, is_own_noise},
    frame::transport::{Parsed, udp_frame},
    guest::Guest,
};

/// Far more than anything takes: only a hang meets it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// No test but one of limits meets them.
pub(crate) const WIDE: Limits = Limits {
    connections: 100_000,
    new_connections_per_second: 1_000_000,
    packets_per_second: 4_000_000,
    bytes_per_second: 10_000_000_000,
};

pub(crate) struct Machine {
    pub(crate) namespace: Namespace,
    pub(crate) guest: Guest,
    pub(crate) lease: Lease,
    /// All that leaves its namespace.
    pub(crate) left: Capture,
}

pub(crate) struct Stage {
    pub(crate) host: Namespace,
    pub(crate) internet: Namespace,
    pub(crate) machines: Vec<Machine>,
    /// All that comes out of the host.
    pub(crate) arrived: Capture,
    _kiln: (Host, TempDir),
}

impl Machine {
    /// Its gateway's sockets are closed: who listens instead of it is told by the test.
    fn new(mut network: Network, host: &Namespace) -> Self {
        let namespace = Namespace::of(network.namespace()).unwrap();
        let tap = network.parts().find(|(name, _)| *name == TAP_PART).unwrap().1;
        let guest = Guest::new(tap.try_clone_to_owned().unwrap());
        network.let_go_of_parts();
        let lease = network.lease().clone();
        if let Some(leased) = lease.address6 {
            setup::wait_for_way(&namespace, GUEST6);
            setup::wait_for_way(&namespace, SERVER6);
            setup::wait_for_way(host, SERVER6);
            setup::wait_for_way(host, leased.into());
        }
        let left = Capture::open(host, &lease.interface);
        Self { namespace, guest, lease, left }
    }
}

impl Stage {
    pub(crate) fn new(reach: Reach, six: bool) -> Self {
        Self::with(Plan { reach, limits: WIDE }, six, 1)
    }

    pub(crate) fn with(plan: Plan, six: bool, machines: u8) -> Self {
        let internet = Namespace::make().unwrap();
        let namespace = setup::host(&internet);
        let run = TempDir::new().unwrap();
        let prepare = || Host::prepare(network(six), run.path()).map_err(io::Error::other);
        let mut host = namespace.enter(prepare).unwrap();
        let machines = (0..machines)
            .map(|number| {
                let make = || host.make(&number.to_string(), &plan).map_err(io::Error::other);
                Machine::new(namespace.enter(make).unwrap(), &namespace)
            })
            .collect();
        let arrived = Capture::open(&internet, "outside");
        Self { host: namespace, internet, machines, arrived, _kiln: (host, run) }
    }

    pub(crate) fn guest(&self) -> &Guest {
        &self.machines[0].guest
    }

    pub(crate) fn machine(&self) -> &Machine {
        &self.machines[0]
    }

    /// What the rules noted of the machine.
    pub(crate) fn seen(&self) -> Seen {
        let read = || seen::read(INSTANCE).map_err(io::Error::other);
        self.machine().namespace.enter(read).unwrap()
    }

    /// What has left the machine since this was asked last. A frame that is written has gone through
    /// every rule when the write returns, and then only the link is between.
    pub(crate) fn left(&self) -> Vec<Vec<u8>> {
        std::thread::sleep(Duration::from_millis(3));
        let left = self.machine().left.frames().into_iter();
        left.filter(|frame| !is_own_noise(frame) && !is_answer_to(frame)).collect()
    }

    /// Sends what may pass behind all that was sent before, waits for it outside, and gives what has
    /// left the machine besides.
    pub(crate) fn leaked(&self, mark: &str) -> Vec<Vec<u8>> {
        self.guest().send(&udp_frame((GUEST, 4000), (SERVER, 4000), mark.as_bytes()));
        let is_mark = |frame: &[u8]| {
            Parsed::of(frame).is_some_and(|packet| packet.datagram() == mark.as_bytes())
        };
        assert!(self.arrived.until(is_mark, PATIENCE).is_some(), "{mark} did not arrive");
        let (marks, others): (Vec<_>, Vec<_>) =
            self.left().into_iter().partition(|frame| is_mark(frame));
        assert_eq!(marks.len(), 1);
        others
    }
}

/// The outside's.
fn is_answer_to(frame: &[u8]) -> bool {
    Parsed::of(frame).is_some_and(|packet| [SERVER, SERVER6].contains(&packet.from))
}
