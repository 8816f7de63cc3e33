//! Who a connection may be for, before a byte of it is read.

use std::net::SocketAddr;

use kiln_net::{
    name::Name,
    policy::{Policy, Protocol},
};

use crate::gateway::Gateway;

/// All names that the destination stands for and the policy names, by how they are recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Candidates {
    pub(super) tls: Vec<Name>,
    pub(super) http: Vec<Name>,
    pub(super) tcp: Vec<Name>,
    /// Whatever protocol it is: it is to be found out.
    pub(super) open: bool,
}

impl Candidates {
    pub(super) fn new(gateway: &Gateway, destination: SocketAddr) -> Self {
        let names = gateway.admitted.names(destination.ip());
        let mut candidates = Self::default();
        match &gateway.config.policy {
            // Nothing is redirected here: it is refused, or forwarded by the kernel.
            Policy::None | Policy::Internet => {}
            Policy::Record => {
                candidates =
                    Self { tls: names.clone(), http: names.clone(), tcp: names, open: true };
            }
            Policy::Allow(_) => {
                for name in names {
                    candidates.allow(gateway, &name, destination.port());
                }
            }
        }
        candidates
    }

    fn allow(&mut self, gateway: &Gateway, name: &Name, port: u16) {
        for rule in gateway.rules(name).filter(|rule| rule.port == port) {
            let own = match rule.protocol {
                Protocol::Tls => &mut self.tls,
                Protocol::Http => &mut self.http,
                Protocol::Tcp => &mut self.tcp,
                Protocol::Udp => continue,
            };
            if own.last() != Some(name) {
                own.push(name.clone());
            }
        }
    }

    /// For the record of what was refused before it said a name.
    pub(super) fn first(&self) -> Option<&Name> {
        self.tls.first().or(self.http.first()).or(self.tcp.first())
    }
}
