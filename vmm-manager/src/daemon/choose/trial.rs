//! Tries a candidate with a guest of its own, or remembers how it went.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use kiln_images::GuestImage;
use kiln_jail::JailUser;
use kiln_shim::RUN;

use super::Trial;
use crate::{
    config::DriverConfig,
    disk::{self, Disks},
    host::remove_vm,
    machine::{self, Parts},
    vmm::{
        self, Accelerator, CloudHypervisor, CloudHypervisorConfig, Hindrance, Pair, ProbeKey,
        ProbeVerdict, Qemu, QemuConfig, Verdicts, Vmm, VmmError, described, kvm_opens,
        null_guest::{self, Errand},
        probe, probe_null,
    },
};

/// Among the VMs of jobs, none of which is called so.
const PROBE: &str = "probe";
const PROBE_DISK_BYTES: u64 = 64 << 20;
const PROBE_MEMORY_BYTES: u64 = 512 << 20;
/// A driver's bridge keeps each guest's address to itself.
const PROBE_CID: u32 = 3;

/// Where a machine may be made.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Of every VM.
    pub(crate) vms: PathBuf,
    /// The home's id.
    pub(crate) instance: String,
    /// Whose the machine is; `None` where we may give it to nobody.
    pub(crate) user: Option<JailUser>,
}

/// What a machine is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Payload {
    Real,
    /// A few instructions: it shows whether the real one's silence is the accelerator's fault alone.
    Null,
}

#[derive(Debug)]
pub(crate) struct Trials<'a> {
    drivers: &'a DriverConfig,
    image: &'a GuestImage,
    site: Site,
    /// The first is ours to write.
    verdicts: Vec<Verdicts>,
}

/// What is known of one candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    /// `None` where its programs do not say it.
    pub(crate) version: Option<String>,
    pub(crate) verdict: ProbeVerdict,
    /// It was found out earlier.
    pub(crate) kept: bool,
}

impl<'a> Trials<'a> {
    /// Believes the verdicts in `files`, and keeps new ones in the first.
    pub(crate) fn new(
        drivers: &'a DriverConfig,
        image: &'a GuestImage,
        site: Site,
        files: &[PathBuf],
    ) -> io::Result<Self> {
        let verdicts = files.iter().map(|file| Verdicts::load(file)).collect::<io::Result<_>>()?;
        Ok(Self { drivers, image, site, verdicts })
    }

    /// Believes nothing that was found out earlier.
    pub(crate) fn forget(&mut self) {
        self.verdicts.truncate(1);
        self.verdicts.iter_mut().for_each(Verdicts::forget);
    }

    /// Boots a guest, unless that has been done.
    pub(crate) async fn try_out(&mut self, pair: Pair) -> anyhow::Result<Tried> {
        let driver = match driver(self.drivers, pair).await {
            Ok(driver) => driver,
            Err(error) => {
                let verdict = ProbeVerdict::No(missing(&error));
                return Ok(Tried { version: None, verdict, kept: false });
            }
        };
        let version = Some(driver.identity().version.clone());
        if pair.accelerator() == Accelerator::Kvm
            && let Err(hindrance) = kvm_opens()
        {
            let verdict = ProbeVerdict::No(hindrance);
            return Ok(Tried { version, verdict, kept: false });
        }
        let GuestImage { kernel, initramfs, .. } = self.image;
        let key = ProbeKey::new(driver.identity(), &kernel.sha256, &initramfs.sha256);
        if let Some(verdict) = self.verdicts.iter().find_map(|verdicts| verdicts.of(&key)) {
            return Ok(Tried { version, verdict, kept: true });
        }
        tracing::info!("trying whether {pair} runs guests here");
        let mut verdict = self.with_machine(driver.as_ref(), pair, Payload::Real).await?;
        if pair.accelerator() == Accelerator::Kvm
            && let ProbeVerdict::No(Hindrance::Guest { reason }) = &verdict
            && self.with_machine(driver.as_ref(), pair, Payload::Null).await?.works()
        {
            verdict = ProbeVerdict::NullGuestsOnly { reason: reason.clone() };
        }
        if let Some(ours) = self.verdicts.first_mut() {
            ours.keep(key, &verdict)?;
        }
        Ok(Tried { version, verdict, kept: false })
    }

    /// In a directory that is gone afterwards.
    async fn with_machine(
        &self,
        driver: &dyn Vmm,
        pair: Pair,
        payload: Payload,
    ) -> anyhow::Result<ProbeVerdict> {
        let directory = self.site.vms.join(PROBE);
        clear(&directory, &self.site.instance).await?;
        private(&directory)?;
        // For the sockets of its programs, as every VM has it.
        private(&directory.join(RUN))?;
        let verdict = self.boot(driver, pair, payload, &directory).await;
        clear(&directory, &self.site.instance).await?;
        verdict
    }

    async fn boot(
        &self,
        driver: &dyn Vmm,
        pair: Pair,
        payload: Payload,
        directory: &Path,
    ) -> anyhow::Result<ProbeVerdict> {
        let disks = Disks::only(directory.join("scratch.raw"));
        disk::allocate(&disks.scratch, PROBE_DISK_BYTES)?;
        disks.format().await?;
        let parts = Parts {
            name: PROBE,
            instance: &self.site.instance,
            directory,
            cid: PROBE_CID,
            user: self.site.user.clone(),
            cgroup: None,
            cpus: 1,
            memory_bytes: PROBE_MEMORY_BYTES,
            disks: &disks,
            sources: &[],
            words: &[],
            network: None,
        };
        let mut spec = machine::spec(self.image, parts);
        Ok(match payload {
            Payload::Real => probe(driver, pair.accelerator(), spec).await,
            Payload::Null => {
                let kernel = directory.join("null");
                fs::write(&kernel, null_guest::image())?;
                spec.kernel = kernel;
                Errand::PowerOff.word().clone_into(&mut spec.command_line);
                probe_null(driver, spec).await
            }
        })
    }
}

#[async_trait]
impl Trial for Trials<'_> {
    async fn is_there(&mut self, pair: Pair) -> Result<(), Hindrance> {
        driver(self.drivers, pair).await.map(drop).map_err(|error| missing(&error))
    }

    async fn verdict(&mut self, pair: Pair) -> anyhow::Result<ProbeVerdict> {
        Ok(self.try_out(pair).await?.verdict)
    }
}

/// The driver of a candidate, whose programs have said their versions.
pub(super) async fn driver(drivers: &DriverConfig, pair: Pair) -> Result<Box<dyn Vmm>, VmmError> {
    let qemu = |accelerator| QemuConfig {
        qemu: drivers.qemu.clone(),
        vhost_device_vsock: drivers.vhost_device_vsock.clone(),
        shim: drivers.shim.clone(),
        accelerator,
    };
    Ok(match pair {
        Pair::CloudHypervisorKvm => {
            let config = CloudHypervisorConfig {
                cloud_hypervisor: drivers.cloud_hypervisor.clone(),
                shim: drivers.shim.clone(),
            };
            Box::new(CloudHypervisor::probe(config).await?)
        }
        Pair::QemuKvm => Box::new(Qemu::probe(qemu(Accelerator::Kvm)).await?),
        Pair::QemuTcg => Box::new(Qemu::probe(qemu(Accelerator::Tcg)).await?),
    })
}

fn private(directory: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(directory)
}

fn missing(error: &VmmError) -> Hindrance {
    Hindrance::Program { reason: described(error) }
}

/// The end of this trial, or of one whose process was killed meanwhile.
async fn clear(directory: &Path, instance: &str) -> anyhow::Result<()> {
    vmm::reap(directory, instance).await?;
    Ok(remove_vm(directory)?)
}
