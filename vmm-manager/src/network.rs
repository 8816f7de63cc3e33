//! kilnd's side of the machines' networks. What a network is, `kiln_net` says; here is who has one,
//! what is written down of it, and what its gateway is helped with.
//!
//! ```text
//!        lease on record            handed to the VMM              the command is over
//! begin ────────────────▶ made ────────────────────────▶ served ───────────────────────▶ looked at
//!   (egress.json, the kernel's part)   (run/gateway.sock)   └── job get: looked at, too ──▲   │
//!                                                                                          release
//! ```
//!
//! *Happy path*: the network is made beside the disks, and shut before there is a VMM; the gateway is
//! one of the machine's programs, and is served from before the guest's first instruction until the
//! machine is gone; what happened is read once for the job's answer, and once more behind it when
//! nothing can happen any more. *Failure paths*: a network that can't be made fails its job. kilnd
//! dies: gateway and rules stand, the next kilnd proves the gateway's process and takes the network
//! again, or the job is lost. What is left without a job the reconciler removes.

mod begin;
mod endpoints;
mod gateway;
mod journal;
mod lease;
mod state;
mod upstream;
mod view;

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use kiln_net::{
    plan::{GuestLink, Plan},
    policy::{Ceiling, Endpoint, Policy},
};
use kiln_shim::ProcessIdentity;
use tokio::sync::RwLock;

use self::{endpoints::Endpoints, state::Troubles};
pub(crate) use self::{
    gateway::GuestRegistry,
    journal::left_behind,
    lease::NetworkLease,
    state::{NetworkState, Networkless},
    upstream::Upstreams,
    view::EgressView,
};
use crate::{
    config::NetworkConfig,
    host::{
        VmUsers,
        network::{NetworkError, NetworkKernel},
    },
    vmm::Jailed,
};

/// The networks of this daemon's machines.
#[derive(Debug)]
pub struct Networks {
    kernel: Arc<dyn NetworkKernel>,
    config: NetworkConfig,
    /// The widest that a job may have.
    ceiling: Ceiling,
    /// All of the operator's.
    endpoints: Vec<(Endpoint, SocketAddr)>,
    /// Whether the host has one for machines.
    registry: bool,
    upstreams: Arc<Upstreams>,
    /// `kiln-gateway`.
    program: Jailed,
    users: VmUsers,
    /// Held shared while a network is made, and alone while those without a job are removed: a job
    /// that is not on the list yet would lose the one that it just got.
    making: RwLock<()>,
    /// The jobs whose networks the kernel has, as far as this daemon made or took them.
    leased: Mutex<BTreeSet<String>>,
    /// For who asks about the host.
    latest_troubles: Troubles,
}

/// What they are made with.
#[derive(Debug)]
pub(crate) struct NetworksParts {
    pub(crate) kernel: Arc<dyn NetworkKernel>,
    pub(crate) config: NetworkConfig,
    pub(crate) ceiling: Ceiling,
    pub(crate) endpoints: Vec<(Endpoint, SocketAddr)>,
    pub(crate) registry: bool,
    pub(crate) program: Jailed,
    pub(crate) users: VmUsers,
}

impl Networks {
    pub(crate) fn new(parts: NetworksParts) -> Self {
        let NetworksParts { kernel, config, ceiling, endpoints, registry, program, users } = parts;
        let upstreams = Arc::new(Upstreams::new(config.resolvers.clone()));
        Self {
            kernel,
            config,
            ceiling,
            endpoints,
            registry,
            upstreams,
            program,
            users,
            making: RwLock::default(),
            leased: Mutex::default(),
            latest_troubles: Troubles::default(),
        }
    }

    /// The widest that a job may have.
    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    /// What every guest is told of its own.
    pub(crate) fn link(&self) -> GuestLink {
        self.config.link
    }

    /// The network of a machine that an earlier daemon started, which lives `since` then; proven by
    /// its gateway's process.
    pub(crate) async fn again(
        self: &Arc<Self>,
        job: &str,
        directory: &Path,
        policy: &Policy,
        since: SystemTime,
        gateway: ProcessIdentity,
    ) -> Result<NetworkLease, NetworkError> {
        let lease = self.kernel.take(job, gateway, self.plan(policy)).await?;
        self.leased().insert(job.to_owned());
        tracing::debug!(job, interface = lease.interface, "a network is taken up again");
        Ok(NetworkLease::again(self, job, directory, policy, since))
    }

    /// Of a machine that is gone, whoever started it.
    pub(crate) async fn release(&self, job: &str) -> Result<(), NetworkError> {
        self.kernel.release(job).await?;
        self.leased().remove(job);
        Ok(())
    }

    /// Removes what has no job any more. `keep` is asked for while no network is being made.
    pub(crate) async fn sweep(
        &self,
        keep: impl FnOnce() -> Vec<String>,
    ) -> Result<(), NetworkError> {
        let _alone = self.making.write().await;
        let keep = keep();
        self.kernel.sweep(keep.clone()).await?;
        self.leased().retain(|job| keep.contains(job));
        Ok(())
    }

    /// What all share, when the daemon goes: kept while a machine runs on.
    pub(crate) async fn release_host(&self) {
        match self.kernel.release_host().await {
            Ok(true) => tracing::debug!("what networks share is gone"),
            Ok(false) => tracing::info!("what networks share stays for machines that run on"),
            Err(error) => {
                let error = error.in_words();
                tracing::error!(error, "what networks share is left behind");
            }
        }
    }

    /// What stands in the way of networks on this host, in words for its operator.
    pub(crate) async fn troubles(&self) -> Result<Vec<String>, NetworkError> {
        self.kernel.troubles().await
    }

    /// Each change is one call, so that a panic elsewhere has left it whole.
    fn leased(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.leased.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn plan(&self, policy: &Policy) -> Plan {
        Plan { reach: policy.reach(), limits: self.config.limits }
    }

    /// Those that a machine of this policy gets, with their addresses.
    fn endpoints(&self, policy: &Policy) -> Endpoints {
        let names: Vec<_> = self.endpoints.iter().map(|(endpoint, _)| endpoint.clone()).collect();
        let opened = policy.endpoints(&names);
        Endpoints::new(self.endpoints.iter().filter(|(one, _)| opened.contains(one)).cloned())
    }
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
