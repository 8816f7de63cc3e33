//! What can be opened for a machine, whoever asks for it.

use std::net::IpAddr;

use crate::{
    plan::{Admission, HostNetwork, NEVER, Plan, Reach},
    record::Transport,
};

/// At once.
const MOST: usize = 1024;
/// Answers of resolvers that are good for longer are asked for again.
const LONGEST_SECONDS: u32 = 24 * 3600;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Inadmissible {
    #[error("a machine that is closed")]
    Closed,
    #[error("{0} admissions at once")]
    Many(usize),
    #[error("the address {0}, which no machine reaches,")]
    Never(IpAddr),
    #[error("a transport that is neither TCP nor UDP")]
    Transport,
    #[error("{0} seconds, which are none or too many,")]
    Seconds(u32),
}

impl HostNetwork {
    /// Whether all of `admissions` can be; `host` are the host's own addresses.
    pub fn admissible(
        &self,
        plan: Plan,
        admissions: &[Admission],
        host: &[IpAddr],
    ) -> Result<(), Inadmissible> {
        if plan.reach == Reach::Closed {
            return Err(Inadmissible::Closed);
        }
        if admissions.len() > MOST {
            return Err(Inadmissible::Many(admissions.len()));
        }
        for Admission { address, transport, port: _, seconds } in admissions {
            // An endpoint of the operator's is reached at the gateway, and carried on by the daemon.
            let is_endpoint = *transport == Transport::Tcp && self.is_gateway(*address);
            if !is_endpoint && (self.is_never(*address) || host.contains(address)) {
                return Err(Inadmissible::Never(*address));
            }
            if !matches!(transport, Transport::Tcp | Transport::Udp) {
                return Err(Inadmissible::Transport);
            }
            if !(1..=LONGEST_SECONDS).contains(seconds) {
                return Err(Inadmissible::Seconds(*seconds));
            }
        }
        Ok(())
    }

    /// Whether it is among what is never reached, and no address of a machine's own.
    fn is_never(&self, address: IpAddr) -> bool {
        let special = NEVER.iter().filter_map(|block| block.parse().ok());
        let mut blocks = special.chain(self.never.iter().chain(&self.pools).copied());
        blocks.any(|block| block.contains(address))
            || address.is_ipv6() && self.link.six.is_none()
            || address == IpAddr::from(self.link.guest)
            || self.is_gateway(address)
    }

    fn is_gateway(&self, address: IpAddr) -> bool {
        address == IpAddr::from(self.link.gateway)
            || self.link.six.is_some_and(|six| address == IpAddr::from(six.gateway))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{GuestLink, Limits};

    const LIMITS: Limits = Limits {
        connections: 1,
        new_connections_per_second: 1,
        packets_per_second: 1,
        bytes_per_second: 1,
    };
    const PLAN: Plan = Plan { reach: Reach::Admitted, limits: LIMITS };

    fn network() -> HostNetwork {
        HostNetwork {
            instance: "0badcafe".to_owned(),
            prefix: "kadcafe-".to_owned(),
            link: GuestLink {
                guest: [192, 0, 2, 2].into(),
                gateway: [192, 0, 2, 1].into(),
                six: None,
            },
            pools: vec!["203.0.113.0/28".parse().unwrap()],
            never: vec!["203.0.113.64/28".parse().unwrap()],
            ceiling: Reach::Internet,
            limits: LIMITS,
        }
    }

    fn admission(address: &str) -> Admission {
        let address = address.parse().unwrap();
        Admission { address, transport: Transport::Tcp, port: 443, seconds: 60 }
    }

    #[test]
    fn an_ordinary_address_is_admitted_and_no_other() {
        let check = |admission: Admission, expected: Result<(), Inadmissible>| {
            let found = network().admissible(PLAN, &[admission], &[[198, 51, 100, 1].into()]);
            assert_eq!(found, expected, "{admission:?}");
        };
        check(admission("198.51.100.2"), Ok(()));
        let never = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::ffff:10.0.0.1",
            "fe80::1",
            "fd00:ec2::254",
            "2001:db8::1",
            "203.0.113.5",
            "203.0.113.70",
            "192.0.2.2",
            "198.51.100.1",
        ];
        for address in never {
            check(admission(address), Err(Inadmissible::Never(address.parse().unwrap())));
        }
        // Where endpoints are, over TCP alone.
        check(admission("192.0.2.1"), Ok(()));
        let gateway = Admission { transport: Transport::Udp, ..admission("192.0.2.1") };
        check(gateway, Err(Inadmissible::Never(gateway.address)));
        let good = admission("198.51.100.2");
        for transport in [Transport::Icmp, Transport::Other] {
            check(Admission { transport, ..good }, Err(Inadmissible::Transport));
        }
        for seconds in [0, 86_401, u32::MAX] {
            check(Admission { seconds, ..good }, Err(Inadmissible::Seconds(seconds)));
        }
    }

    #[test]
    fn a_closed_machine_and_a_flood_are_refused() {
        let good = admission("198.51.100.2");
        let closed = Plan { reach: Reach::Closed, ..PLAN };
        assert_eq!(network().admissible(closed, &[good], &[]), Err(Inadmissible::Closed));
        let many = vec![good; MOST + 1];
        assert_eq!(network().admissible(PLAN, &many, &[]), Err(Inadmissible::Many(MOST + 1)));
    }
}
