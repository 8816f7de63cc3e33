//! A job with a directory and a scratch disk of its own.

use std::path::PathBuf;

use tokio::time::timeout;

use super::{
    Host,
    created::Created,
    directory::VmDirectory,
    interrupt::{Interrupted, unless_cancelled},
};
use crate::{
    disk,
    job::{Failure, MachineRecord},
    machine::{self, Share},
    store::JobHandle,
    vmm::{Machine, VmSpec},
};

#[derive(Debug)]
pub(super) struct Prepared {
    directory: VmDirectory,
    scratch: PathBuf,
}

impl Prepared {
    pub(super) async fn take(host: &Host, job: &JobHandle) -> Result<Self, Interrupted> {
        let failed =
            |error: &(dyn std::error::Error + 'static)| Failure::infrastructure("disks", error);
        let job_directory = host.home.job_directory(job.id());
        tokio::fs::create_dir_all(job_directory).await.map_err(|error| failed(&error))?;
        let directory =
            VmDirectory::take(host.home.vm_directory(job.id())).map_err(|error| failed(&error))?;
        let scratch = directory.path().join("scratch.raw");
        match disk::allocate(&scratch, job.spec().disk_bytes).await {
            Ok(()) => Ok(Self { directory, scratch }),
            Err(error) => {
                directory.release().await;
                Err(failed(&error).into())
            }
        }
    }

    /// Starts the VMM while the scratch disk gets its file system: nothing reads it before the
    /// guest does.
    pub(super) async fn create(self, host: &Host, job: &JobHandle) -> Result<Created, Interrupted> {
        let spec = self.machine(host, job);
        let format = async {
            disk::format(&self.scratch)
                .await
                .map_err(|error| Failure::infrastructure("disks", &error))
        };
        let create = async {
            match timeout(host.limits.create, host.vmm.create(spec)).await {
                Ok(Ok(machine)) => Ok(machine),
                Ok(Err(error)) => Err(Failure::infrastructure("vmm", &error)),
                Err(elapsed) => Err(Failure::infrastructure("vmm", &elapsed)),
            }
        };
        let both = async { tokio::try_join!(create, format).map(|(machine, ())| machine) };
        match unless_cancelled(job.cancellation(), both).await {
            Ok(machine) => Ok(self.created(machine, host, job)),
            Err(interrupted) => {
                self.directory.release().await;
                Err(interrupted)
            }
        }
    }

    fn created(self, machine: Box<dyn Machine>, host: &Host, job: &JobHandle) -> Created {
        let identity = host.vmm.identity();
        job.record_machine(MachineRecord {
            vmm: identity.name,
            vmm_version: identity.version.clone(),
            accelerator: identity.accelerator,
            kernel_digest: host.image.kernel.sha256.clone(),
            initramfs_digest: host.image.initramfs.sha256.clone(),
            root_digest: host.image.root.sha256.clone(),
            kernel_release: String::new(),
            agent_version: String::new(),
        });
        Created { directory: self.directory, machine }
    }

    fn machine(&self, host: &Host, job: &JobHandle) -> VmSpec {
        let share =
            Share { cpus: job.spec().cpus, memory_bytes: job.spec().machine_memory_bytes() };
        machine::spec(job.id().as_str(), &host.image, self.directory.path(), &self.scratch, share)
    }
}
