//! What every job of this daemon runs with.

use std::sync::Arc;

use kiln_images::GuestImage;

use super::limits::PhaseLimits;
use crate::{
    home::Home,
    host::{VmUsers, cgroup::Cgroups},
    log::LogQuota,
    network::Networks,
    output::Outputs,
    pool::Numbers,
    registry,
    source::Sources,
    store::Store,
    vmm::Vmm,
};

#[derive(Debug)]
pub struct Host {
    pub home: Home,
    pub image: GuestImage,
    pub vmm: Box<dyn Vmm>,
    /// `None` where the host lets us make none: VMs then have no limit but their own.
    pub cgroups: Option<Cgroups>,
    pub numbers: Numbers,
    /// Those of VMs; `None` where kilnd may give them none.
    pub vm_users: Option<VmUsers>,
    /// `None` where machines have none.
    pub networks: Option<Arc<Networks>>,
    /// `None` where guests have none.
    pub registry: Option<Arc<registry::Service>>,
    /// For what other jobs have left.
    pub store: Arc<Store>,
    pub sources: Sources,
    pub outputs: Outputs,
    pub log_quota: LogQuota,
    pub limits: PhaseLimits,
}
