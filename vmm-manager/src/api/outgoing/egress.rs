//! What a guest may reach, and what it did.

use std::net::SocketAddr;

use kiln_net::{
    plan::{Cidr, GuestLink, GuestLink6},
    policy::{Ceiling, Endpoint, Policy, Protocol, Rule},
    record::{EgressRecord, Flow, Refusal, Refused},
};
use kiln_proto::v1;

use crate::network::NetworkState;

pub(in crate::api) fn policy(policy: &Policy) -> v1::Egress {
    let mode = match policy {
        Policy::None => v1::EgressMode::None,
        Policy::Allow(_) => v1::EgressMode::Allow,
        Policy::Record => v1::EgressMode::Record,
        Policy::Internet => v1::EgressMode::Internet,
    };
    v1::Egress { mode: mode.into(), rules: policy.rules().iter().map(Rule::to_string).collect() }
}

pub(in crate::api) fn network(state: &NetworkState) -> v1::HostNetwork {
    let NetworkState { ceiling, pools, leases, link, resolvers, troubles } = state;
    let Ceiling { widest, endpoints } = ceiling;
    let GuestLink { guest, gateway, six } = link;
    let link = v1::GuestLink { gateway: gateway.to_string(), guest: guest.to_string() };
    let link6 = six.map(|GuestLink6 { guest, gateway }| v1::GuestLink {
        gateway: gateway.to_string(),
        guest: guest.to_string(),
    });
    v1::HostNetwork {
        ceiling: Some(policy(widest)),
        endpoints: endpoints.iter().map(Endpoint::to_string).collect(),
        pools: pools.iter().map(Cidr::to_string).collect(),
        leases: u32::try_from(*leases).unwrap_or(u32::MAX),
        link: Some(link),
        link6,
        resolvers: resolvers.iter().map(SocketAddr::to_string).collect(),
        troubles: troubles.clone(),
    }
}

pub(super) fn record(record: &EgressRecord) -> v1::EgressRecord {
    let EgressRecord {
        flows,
        refusals,
        more_flows,
        more_refusals,
        forged_frames,
        limited_packets,
        incomplete,
    } = record;
    v1::EgressRecord {
        flows: flows.iter().map(flow).collect(),
        refusals: refusals.iter().map(refusal).collect(),
        more_flows: *more_flows,
        more_refusals: *more_refusals,
        incomplete: incomplete.clone().unwrap_or_default(),
        forged_frames: *forged_frames,
        limited_packets: *limited_packets,
    }
}

fn flow(flow: &Flow) -> v1::EgressFlow {
    let Flow {
        name,
        address,
        port,
        transport,
        protocol,
        connections,
        sent_bytes,
        received_bytes,
        first,
        last,
    } = flow;
    v1::EgressFlow {
        name: name.as_ref().map(ToString::to_string).unwrap_or_default(),
        address: address.to_string(),
        port: u32::from(*port),
        transport: transport.name().to_owned(),
        protocol: protocol.map(Protocol::name).unwrap_or_default().to_owned(),
        connections: *connections,
        sent_bytes: *sent_bytes,
        received_bytes: *received_bytes,
        first_at: Some((*first).into()),
        last_at: Some((*last).into()),
    }
}

fn refusal(refusal: &Refusal) -> v1::EgressRefusal {
    let Refusal { what, reason, times, first, last } = refusal.clone();
    let wire = v1::EgressRefusal {
        reason: reason.name().to_owned(),
        times,
        first_at: first.map(Into::into),
        last_at: last.map(Into::into),
        ..v1::EgressRefusal::default()
    };
    match what {
        Refused::Query { name, kind } => v1::EgressRefusal { name, query_kind: kind, ..wire },
        Refused::Connection { name, address, port, transport } => v1::EgressRefusal {
            name: name.unwrap_or_default(),
            address: address.to_string(),
            port: port.into(),
            transport: transport.name().to_owned(),
            ..wire
        },
    }
}
