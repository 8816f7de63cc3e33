//! The network of a job, and of a host.

use kiln_proto::v1;

use super::known;
use crate::record::{Egress, EgressMode, EgressRecord, Flow, GuestLink, HostNetwork, Refusal};

impl From<v1::Egress> for Egress {
    fn from(wire: v1::Egress) -> Self {
        let mode = match wire.mode() {
            v1::EgressMode::Unspecified if wire.mode != 0 => EgressMode::Unknown,
            v1::EgressMode::Unspecified | v1::EgressMode::None => EgressMode::None,
            v1::EgressMode::Allow => EgressMode::Allow,
            v1::EgressMode::Record => EgressMode::Record,
            v1::EgressMode::Internet => EgressMode::Internet,
        };
        let v1::Egress { mode: _, rules } = wire;
        Self { mode, rules }
    }
}

impl From<v1::EgressRecord> for EgressRecord {
    fn from(wire: v1::EgressRecord) -> Self {
        let v1::EgressRecord {
            flows,
            refusals,
            more_flows,
            more_refusals,
            incomplete,
            forged_frames,
            limited_packets,
        } = wire;
        Self {
            flows: flows.into_iter().map(Flow::from).collect(),
            refusals: refusals.into_iter().map(Refusal::from).collect(),
            more_flows,
            more_refusals,
            forged_frames,
            limited_packets,
            incomplete: known(incomplete),
        }
    }
}

impl From<v1::EgressFlow> for Flow {
    fn from(wire: v1::EgressFlow) -> Self {
        let v1::EgressFlow {
            name,
            address,
            port,
            transport,
            protocol,
            connections,
            sent_bytes,
            received_bytes,
            first_at,
            last_at,
        } = wire;
        Self {
            name: known(name),
            address,
            port,
            transport,
            protocol: known(protocol),
            connections,
            sent_bytes,
            received_bytes,
            first_at: first_at.map(Into::into),
            last_at: last_at.map(Into::into),
        }
    }
}

impl From<v1::EgressRefusal> for Refusal {
    fn from(wire: v1::EgressRefusal) -> Self {
        let v1::EgressRefusal {
            name,
            query_kind,
            address,
            port,
            transport,
            reason,
            times,
            first_at,
            last_at,
        } = wire;
        let address = known(address);
        Self {
            name: known(name),
            query_kind: known(query_kind),
            port: address.is_some().then_some(port),
            address,
            transport: known(transport),
            reason,
            times,
            first_at: first_at.map(Into::into),
            last_at: last_at.map(Into::into),
        }
    }
}

impl From<v1::HostNetwork> for HostNetwork {
    fn from(wire: v1::HostNetwork) -> Self {
        let v1::HostNetwork { ceiling, endpoints, pools, leases, link, link6, resolvers, troubles } =
            wire;
        Self {
            ceiling: ceiling.map(Egress::from).unwrap_or_default(),
            endpoints,
            pools,
            leases,
            link: link.map(GuestLink::from),
            link6: link6.map(GuestLink::from),
            resolvers,
            troubles,
        }
    }
}
