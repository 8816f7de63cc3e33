//! `kiln.v1.HostService`.

use std::sync::Arc;

use kiln_proto::v1::{self, host_service_server::HostService};
use tonic::{Request, Response, Status};

use super::{caller::Caller, outgoing};
use crate::{
    network::{Networkless, Networks},
    registry::{Registryless, Service},
    scheduler::{Budget, Load, Scheduler},
    vmm::{JailState, VmmIdentity},
};

#[derive(Clone, Debug)]
pub struct HostApiParts {
    /// Of the home.
    pub instance: String,
    pub vmm: VmmIdentity,
    /// What a VM that is made now would have.
    pub jail: JailState,
    /// Or why VMs have none.
    pub networks: Result<Arc<Networks>, Networkless>,
    /// Or why there is none.
    pub registry: Result<Arc<Service>, Registryless>,
    pub scheduler: Arc<Scheduler>,
}

#[derive(Clone, Debug)]
pub struct HostApi {
    parts: HostApiParts,
}

impl HostApi {
    pub fn new(parts: HostApiParts) -> Self {
        Self { parts }
    }
}

#[tonic::async_trait]
impl HostService for HostApi {
    async fn get_host(
        &self,
        request: Request<v1::GetHostRequest>,
    ) -> Result<Response<v1::GetHostResponse>, Status> {
        let Caller { tenant } = Caller::of(&request)?;
        let HostApiParts { instance, vmm, jail, networks, registry, scheduler } = &self.parts;
        let VmmIdentity { name, version, accelerator } = vmm.clone();
        let (network, no_network) = match networks {
            Ok(networks) => (Some(outgoing::egress::network(&networks.state().await)), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let (registry, no_registry) = match registry {
            Ok(registry) => (Some(outgoing::registry::host(&registry.state(&tenant).await)), None),
            Err(why) => (None, Some(why.to_string())),
        };
        let Load { total, in_use, queued, running, draining, .. } = scheduler.load();
        Ok(Response::new(v1::GetHostResponse {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: instance.clone(),
            vmm: name.to_owned(),
            vmm_version: version,
            accelerator: accelerator.to_owned(),
            total: Some(budget(total)),
            in_use: Some(budget(in_use)),
            queued: u32::try_from(queued).unwrap_or(u32::MAX),
            running: u32::try_from(running).unwrap_or(u32::MAX),
            draining,
            jail: Some(outgoing::jail(jail)),
            network,
            no_network: no_network.unwrap_or_default(),
            registry,
            no_registry: no_registry.unwrap_or_default(),
        }))
    }
}

fn budget(budget: Budget) -> v1::Budget {
    let Budget { cpus, memory_bytes, disk_bytes, vms } = budget;
    v1::Budget { cpus, memory_bytes, disk_bytes, vms }
}
