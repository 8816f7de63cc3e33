//! All connections to one port of one address under one name.

use std::{collections::HashMap, net::IpAddr};

use kiln_net::{name::Name, policy::Protocol, record::Flow};

use super::Told;

/// What tells one from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct To {
    name: Option<Name>,
    address: IpAddr,
    port: u16,
    protocol: Option<Protocol>,
}

impl To {
    pub(super) fn of(flow: &Flow) -> Self {
        Self {
            name: flow.name.clone(),
            address: flow.address,
            port: flow.port,
            protocol: flow.protocol,
        }
    }
}

#[derive(Debug)]
pub(super) struct Destination {
    id: u64,
    /// Of all that have ended.
    ended: Flow,
    /// Those that last.
    living: HashMap<u64, Flow>,
}

impl Destination {
    pub(super) fn new(id: u64, first: Told) -> Self {
        let none = Flow { connections: 0, sent_bytes: 0, received_bytes: 0, ..first.flow.clone() };
        let mut new = Self { id, ended: none, living: HashMap::new() };
        new.take(first);
        new
    }

    pub(super) fn take(&mut self, Told { id, flow, ended }: Told) {
        if ended {
            self.living.remove(&id);
            add(&mut self.ended, &flow);
        } else {
            self.living.insert(id, flow);
        }
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn ended(&self) -> u64 {
        self.ended.connections
    }

    pub(super) fn flow(&self) -> Flow {
        let mut sum = self.ended.clone();
        self.living.values().for_each(|flow| add(&mut sum, flow));
        sum
    }
}

fn add(all: &mut Flow, flow: &Flow) {
    all.connections = all.connections.saturating_add(flow.connections);
    all.sent_bytes = all.sent_bytes.saturating_add(flow.sent_bytes);
    all.received_bytes = all.received_bytes.saturating_add(flow.received_bytes);
    all.first = all.first.min(flow.first);
    all.last = all.last.max(flow.last);
}
