//! What a policy says of a name: what the resolver and the splice ask.

use super::{Policy, Protocol, Rule};
use crate::{name::Name, plan::Reach, record::Transport};

/// What may go to one port of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Refused,
    /// By one of these; at least one, in order, each once.
    By(Vec<Protocol>),
    /// Whatever it is over TCP: `record`.
    AnyTcp,
    /// `internet`.
    Anything,
}

impl Decision {
    /// Whether what speaks `protocol` may pass. One that was not recognised is `Tcp`.
    pub fn admits(&self, protocol: Protocol) -> bool {
        match self {
            Self::Refused => false,
            Self::By(protocols) => protocols.iter().any(|own| own.covers(protocol)),
            Self::AnyTcp => protocol.transport() == Transport::Tcp,
            Self::Anything => true,
        }
    }
}

/// What is opened at each address that is given for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Opening {
    pub ports: Ports,
    pub transport: Transport,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ports {
    One(u16),
    /// `record`.
    Every,
}

impl Policy {
    /// Whether the resolver answers questions for `name`. An endpoint's name is one of them where
    /// the policy opens that endpoint.
    pub fn answers(&self, name: &Name) -> bool {
        match self {
            Self::None => false,
            Self::Allow(_) => self.matching(name).next().is_some(),
            Self::Record | Self::Internet => true,
        }
    }

    pub fn decide(&self, name: &Name, port: u16) -> Decision {
        match self {
            Self::None => Decision::Refused,
            Self::Allow(_) => {
                let at_port = self.matching(name).filter(|rule| rule.port == port);
                let mut protocols: Vec<_> = at_port.map(|rule| rule.protocol).collect();
                protocols.sort_unstable();
                protocols.dedup();
                if protocols.is_empty() { Decision::Refused } else { Decision::By(protocols) }
            }
            Self::Record if Protocol::Tcp.is_shut_at(port) => Decision::Refused,
            Self::Record => Decision::AnyTcp,
            Self::Internet => Decision::Anything,
        }
    }

    /// What the kernel has to admit before an answer for `name` is given: nothing where it is
    /// closed, or open to everything, anyway. Each once, in order.
    pub fn openings(&self, name: &Name) -> Vec<Opening> {
        if self.reach() != Reach::Admitted {
            return Vec::new();
        }
        if *self == Self::Record {
            return vec![Opening { ports: Ports::Every, transport: Transport::Tcp }];
        }
        let opening = |rule: &Rule| Opening {
            ports: Ports::One(rule.port),
            transport: rule.protocol.transport(),
        };
        let mut openings: Vec<_> = self.matching(name).map(opening).collect();
        openings.sort_unstable();
        openings.dedup();
        openings
    }

    fn matching(&self, name: &Name) -> impl Iterator<Item = &Rule> {
        self.rules().iter().filter(move |rule| rule.pattern.matches(name))
    }
}
