//! A host as kilnd tells of it.

use kiln_proto::v1;
use serde::Serialize;

use super::Jail;

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
        }
    }
}

impl From<v1::Budget> for Budget {
    fn from(v1::Budget { cpus, memory_bytes, disk_bytes, vms }: v1::Budget) -> Self {
        Self { cpus, memory_bytes, disk_bytes, vms }
    }
}
