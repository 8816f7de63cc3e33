//! A host as kilnd tells of it.

use kiln_proto::v1;
use serde::Serialize;

use super::{Egress, Jail, Registry};

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Host {
    pub(crate) version: String,
    pub(crate) instance: String,
    pub(crate) vmm: String,
    pub(crate) vmm_version: String,
    pub(crate) accelerator: String,
    /// `None` where kilnd does not tell.
    pub(crate) jail: Option<Jail>,
    pub(crate) total: Budget,
    pub(crate) in_use: Budget,
    pub(crate) queued: u32,
    pub(crate) running: u32,
    pub(crate) draining: bool,
    /// `None` where VMs have none.
    pub(crate) network: Option<HostNetwork>,
    /// Why they have none, where kilnd tells.
    pub(crate) no_network: Option<String>,
    /// `None` where kilnd runs without one.
    pub(crate) registry: Option<Registry>,
    /// Why it has none, where kilnd tells.
    pub(crate) no_registry: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct HostNetwork {
    /// The widest that a job may have.
    pub(crate) ceiling: Egress,
    /// Of the operator's services.
    pub(crate) endpoints: Vec<String>,
    /// Where VMs' networks have their addresses from.
    pub(crate) pools: Vec<String>,
    /// Networks that VMs of this kilnd have now.
    pub(crate) leases: u32,
    /// The same in every guest. `None` where kilnd does not tell.
    pub(crate) link: Option<GuestLink>,
    /// `None` where guests have no IPv6.
    pub(crate) link6: Option<GuestLink>,
    /// Whom kilnd asks for guests' names now.
    pub(crate) resolvers: Vec<String>,
    /// What stands in the way of networks now.
    pub(crate) troubles: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct GuestLink {
    pub(crate) gateway: String,
    pub(crate) guest: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Budget {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) vms: u32,
}

impl From<v1::GetHostResponse> for Host {
    fn from(wire: v1::GetHostResponse) -> Self {
        let v1::GetHostResponse {
            version,
            instance,
            vmm,
            vmm_version,
            accelerator,
            total,
            in_use,
            queued,
            running,
            draining,
            jail,
            network,
            no_network,
            registry,
            no_registry,
        } = wire;
        Self {
            version,
            instance,
            vmm,
            vmm_version,
            accelerator,
            jail: jail.map(Jail::from),
            total: total.map(Budget::from).unwrap_or_default(),
            in_use: in_use.map(Budget::from).unwrap_or_default(),
            queued,
            running,
            draining,
            network: network.map(Into::into),
            no_network: (!no_network.is_empty()).then_some(no_network),
            registry: registry.map(Into::into),
            no_registry: (!no_registry.is_empty()).then_some(no_registry),
        }
    }
}

impl From<v1::GuestLink> for GuestLink {
    fn from(v1::GuestLink { gateway, guest }: v1::GuestLink) -> Self {
        Self { gateway, guest }
    }
}

impl From<v1::Budget> for Budget {
    fn from(v1::Budget { cpus, memory_bytes, disk_bytes, vms }: v1::Budget) -> Self {
        Self { cpus, memory_bytes, disk_bytes, vms }
    }
}
