//! The Cloud Hypervisor driver: under KVM, over its REST API, with its own vsock.
//!
//! ```text
//! kilnd ──api.sock──▶ cloud-hypervisor ──▶ run/vsock.sock
//!   └──shim.sock──▶ kiln-shim ◀── its events (socket pair), its log (stderr), the console (stdout)
//! ```
//!
//! The API's socket is made by the supervisor and handed over: it listens from before Cloud
//! Hypervisor's start, for one daemon after the other, and nothing has to be waited for.
//!
//! *Happy path*: `vm.create` with a configuration that names every field which matters; `vm.info` is
//! compared with it; `vm.boot`; the guest switches itself off and Cloud Hypervisor exits. *Failure
//! paths*: what it says that it runs is not what was asked: it is never booted, and killed. The guest
//! resets itself, which Cloud Hypervisor would take for a wish to boot again: the supervisor hears
//! of it and ends the machine.

mod adopt;
mod api;
mod arguments;
mod asked;
mod change;
mod exit;
mod jail;
mod looks;
mod machine;
mod read_back;
mod render;
mod snapshot;
mod start;
mod version;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::{AdoptError, Jailed, Machine, ShimConfig, VmSpec, Vmm, VmmError, VmmIdentity, gateway};

/// Of other than the guest's memory: the program itself takes some 10 MiB, and its page tables,
/// queues and buffers grow with what the guest does.
const OVERHEAD_BYTES: u64 = 128 << 20;

/// Where the driver's programs are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloudHypervisorConfig {
    pub cloud_hypervisor: PathBuf,
    pub shim: ShimConfig,
}

/// The driver.
#[derive(Clone, Debug)]
pub struct CloudHypervisor {
    config: CloudHypervisorConfig,
    identity: VmmIdentity,
    program: Jailed,
    places: bool,
}

impl CloudHypervisor {
    /// Finds out what the program needs, and asks it for its version: it is there, it runs, and it
    /// is one that we know how to drive.
    pub async fn probe(config: CloudHypervisorConfig) -> Result<Self, VmmError> {
        let program = Jailed::find(&config.cloud_hypervisor).await?;
        let version = version::ask(program.program()).await?;
        let identity = VmmIdentity { name: start::DRIVER, version, accelerator: "kvm" };
        Ok(Self { config, identity, program, places: false })
    }

    /// Machines that may write snapshots, and be given disks while they run: each has directories
    /// to make files in. Without, a Cloud Hypervisor that a guest has taken over makes no file.
    #[must_use]
    pub fn with_places(self) -> Self {
        Self { places: true, ..self }
    }

    pub fn config(&self) -> &CloudHypervisorConfig {
        &self.config
    }
}

#[async_trait]
impl Vmm for CloudHypervisor {
    fn identity(&self) -> &VmmIdentity {
        &self.identity
    }

    async fn create(&self, spec: VmSpec) -> Result<Box<dyn Machine>, VmmError> {
        Ok(Box::new(start::start(self, spec).await?))
    }

    async fn adopt(
        &self,
        directory: &Path,
        instance: &str,
    ) -> Result<Box<dyn Machine>, AdoptError> {
        Ok(Box::new(adopt::adopt(directory, instance).await?))
    }

    async fn restore(&self, spec: VmSpec, from: &Path) -> Result<Box<dyn Machine>, VmmError> {
        Ok(Box::new(start::restore(self, spec, from).await?))
    }

    fn overhead_bytes(&self) -> u64 {
        OVERHEAD_BYTES + gateway::OVERHEAD_BYTES
    }
}
