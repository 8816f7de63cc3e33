//! What VMs may have of the host, or have, or ask for.

use crate::job::{JobSpec, WaitsFor};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    pub cpus: u32,
    /// Of whole machines: what their jobs ask for and each one's reserve.
    pub memory_bytes: u64,
    pub disk_bytes: u64,
    pub vms: u32,
}

impl Budget {
    /// What one job takes while it runs.
    pub fn of(spec: &JobSpec) -> Self {
        Self {
            cpus: spec.cpus,
            memory_bytes: spec.machine_memory_bytes(),
            disk_bytes: spec.host_disk_bytes(),
            vms: 1,
        }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_add(other.cpus),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_add(other.disk_bytes),
            vms: self.vms.saturating_add(other.vms),
        }
    }

    /// Nothing where there is less than nothing: what runs may be above a budget that has shrunk.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            cpus: self.cpus.saturating_sub(other.cpus),
            memory_bytes: self.memory_bytes.saturating_sub(other.memory_bytes),
            disk_bytes: self.disk_bytes.saturating_sub(other.disk_bytes),
            vms: self.vms.saturating_sub(other.vms),
        }
    }

    /// What of this is missing for `need`, if anything is.
    pub fn lacks(self, need: Self) -> Option<WaitsFor> {
        if need.vms > self.vms {
            Some(WaitsFor::Vms)
        } else if need.cpus > self.cpus {
            Some(WaitsFor::Cpus)
        } else if need.memory_bytes > self.memory_bytes {
            Some(WaitsFor::Memory)
        } else if need.disk_bytes > self.disk_bytes {
            Some(WaitsFor::Disk)
        } else {
            None
        }
    }

    /// The largest part that this is of `total`, in 2^-32: what makes shares of different kinds
    /// comparable.
    pub fn share_of(self, total: Self) -> u64 {
        let part = |some: u64, all: u64| {
            let scaled = (u128::from(some) << 32) / u128::from(all.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        [
            part(self.cpus.into(), total.cpus.into()),
            part(self.memory_bytes, total.memory_bytes),
            part(self.disk_bytes, total.disk_bytes),
            part(self.vms.into(), total.vms.into()),
        ]
        .into_iter()
        .fold(0, u64::max)
    }
}
