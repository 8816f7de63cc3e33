//! What the parts of one gateway have together.

use std::net::IpAddr;

use kiln_net::{
    control::GatewayConfig,
    name::Name,
    plan::{Cidr, NEVER},
    policy::{Endpoint, Ports, Rule},
    record::Transport,
};

use crate::{admitted::Admitted, control::Control, recorder::Recorder};

/// Shared as `Arc<Gateway>` by everything that serves.
#[derive(Debug)]
pub struct Gateway {
    pub config: GatewayConfig,
    /// Written by the resolver before it answers, read by the splice.
    pub admitted: Admitted,
    pub recorder: Recorder,
    pub control: Control,
    never: Vec<Cidr>,
}

impl Gateway {
    pub fn new(config: GatewayConfig, recorder: Recorder, control: Control) -> Self {
        let never = NEVER
            .iter()
            .filter_map(|block| block.parse().ok())
            .chain(config.never.iter().copied())
            .collect();
        control.record_with(&recorder);
        Self { config, admitted: Admitted::default(), recorder, control, never }
    }

    /// Whether nothing may be answered by `address` or dialled there, whatever the policy says.
    pub fn never(&self, address: IpAddr) -> bool {
        let link = &self.config.link;
        let own = match address {
            IpAddr::V4(four) => four == link.guest || four == link.gateway,
            IpAddr::V6(six) => {
                link.six.is_some_and(|link| six == link.guest || six == link.gateway)
            }
        };
        own || self.never.iter().any(|block| block.contains(address))
    }

    /// What the policy names for `name`; empty for policies without rules.
    pub fn rules<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Rule> + 'a {
        self.config.policy.rules().iter().filter(|rule| rule.pattern.matches(name))
    }

    /// What the kernel has to let through to each address that is told for `name`: transports and
    /// ports, each once. Port 0 stands for all of them.
    pub fn openings(&self, name: &Name) -> Vec<(Transport, u16)> {
        let port = |ports| match ports {
            Ports::One(port) => port,
            Ports::Every => 0,
        };
        let openings = self.config.policy.openings(name);
        openings.iter().map(|opening| (opening.transport, port(opening.ports))).collect()
    }

    pub fn endpoint(&self, name: &Name, port: u16) -> Option<&Endpoint> {
        self.config
            .endpoints
            .iter()
            .find(|endpoint| endpoint.name == *name && endpoint.port == port)
    }
}
