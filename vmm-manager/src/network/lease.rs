//! One machine's network, as a lease.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use async_trait::async_trait;
use kiln_net::{plan::Admission, policy::Policy};
use tokio::task::JoinHandle;

use super::{
    EgressView, Networks,
    begin::{self, RECORD_BYTES, config_path, record_path},
    gateway::{Admit, Gateway, GuestRegistry, Services},
};
use crate::{
    host::network::{NetworkError, NetworkKernel},
    vmm::MachineNetwork,
};

/// From before the kernel is asked for it. Dropped, it leaves the network to the reconciler: a
/// machine may still be in it.
#[derive(Debug)]
pub(crate) struct NetworkLease {
    networks: Arc<Networks>,
    job: String,
    directory: PathBuf,
    policy: Policy,
    /// Until somebody has waited for it. Whoever gives the network back waits, too: what is made
    /// behind its release would stay.
    making: Option<JoinHandle<Result<OwnedFd, NetworkError>>>,
    gateway: Option<Gateway>,
    view: Arc<EgressView>,
}

impl NetworkLease {
    /// Begins to make it. That the job has it is on record, and `directory` is there.
    pub(crate) fn begin(
        networks: &Arc<Networks>,
        job: &str,
        directory: &Path,
        policy: &Policy,
    ) -> Self {
        let making =
            begin::make(Arc::clone(networks), job.to_owned(), directory.to_owned(), policy.clone());
        let lease = Self::again(networks, job, directory, policy, SystemTime::now());
        Self { making: Some(tokio::spawn(making)), ..lease }
    }

    pub(super) fn again(
        networks: &Arc<Networks>,
        job: &str,
        directory: &Path,
        policy: &Policy,
        since: SystemTime,
    ) -> Self {
        let view = EgressView::new(networks, job, directory, since);
        Self {
            networks: Arc::clone(networks),
            job: job.to_owned(),
            directory: directory.to_owned(),
            policy: policy.clone(),
            making: None,
            gateway: None,
            view: Arc::new(view),
        }
    }

    /// Waits until it is made, and shut: what a machine with this number is started with. Once.
    ///
    /// # Cancel safety
    /// Safe: it is made, and waited for when it is given back.
    pub(crate) async fn made(&mut self, number: u32) -> Result<MachineNetwork, NetworkError> {
        let Some(making) = &mut self.making else { return Err(NetworkError::NoGateway) };
        let made = making.await;
        self.making = None;
        let tap = made.map_err(|error| NetworkError::Failed {
            what: "making a network".to_owned(),
            source: error.into(),
        })??;
        Ok(MachineNetwork {
            tap: Arc::new(tap),
            gateway: self.networks.program.clone(),
            config: config_path(&self.directory),
            record: record_path(&self.directory),
            record_bytes: RECORD_BYTES,
            user: self.networks.users.of_gateway(number),
            six: self.networks.config.link.six.is_some(),
        })
    }

    /// Begins to serve its gateway, which runs. `registry` is the host's, as this machine has it.
    pub(crate) fn serve(&mut self, registry: Option<Arc<dyn GuestRegistry>>) {
        let services = Services {
            upstreams: Arc::clone(&self.networks.upstreams),
            endpoints: self.networks.endpoints(&self.policy),
            admit: Arc::new(Of {
                kernel: Arc::clone(&self.networks.kernel),
                job: self.job.clone(),
            }),
            registry,
        };
        self.gateway = Some(Gateway::serve(&self.directory, services));
    }

    /// For whoever wants to know what happens on it.
    pub(crate) fn view(&self) -> &Arc<EgressView> {
        &self.view
    }

    /// Its machine is gone, or never was.
    pub(crate) async fn release(self) {
        let Self { networks, job, making, gateway, .. } = self;
        if let Some(gateway) = gateway {
            gateway.end().await;
        }
        if let Some(making) = making {
            // The guest's end is closed here, which would keep the network.
            drop(making.await);
        }
        if let Err(error) = networks.release(&job).await {
            let error = error.in_words();
            tracing::error!(job, error, "the network of a VM is left behind");
        }
    }
}

/// The kernel's part of one machine.
#[derive(Debug)]
struct Of {
    kernel: Arc<dyn NetworkKernel>,
    job: String,
}

#[async_trait]
impl Admit for Of {
    async fn admit(&self, admissions: Vec<Admission>) -> Result<(), NetworkError> {
        self.kernel.admit(&self.job, admissions).await
    }
}
