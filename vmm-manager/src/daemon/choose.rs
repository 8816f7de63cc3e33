//! Which VMM, and what executes the guests' instructions.

use std::{fs, io, path::Path};

use kiln_images::GuestImage;

use crate::{
    config::{AcceleratorChoice, Config},
    disk::{self, DiskError, Disks},
    home::Home,
    machine::{self, Parts},
    vmm::{self, Accelerator, ProbeKey, ProbeVerdict, Qemu, QemuConfig, Vmm as _, probe_kvm},
};

/// Among the VMs of jobs, none of which is called so.
const PROBE: &str = "probe";
const PROBE_DISK_BYTES: u64 = 64 << 20;
const PROBE_MEMORY_BYTES: u64 = 512 << 20;
/// QEMU's bridge keeps each guest's address to itself, and no other driver is probed.
const PROBE_CID: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub(super) enum ChooseError {
    #[error(
        "KVM runs no guests here ({reason}); mend that, or allow slow software emulation with \
         --allow-emulation"
    )]
    NoAccelerator { reason: String },
    #[error("the probe of KVM could not be made")]
    Probe { source: io::Error },
    #[error(transparent)]
    Scratch(#[from] DiskError),
}

pub(super) async fn vmm(config: &Config, home: &Home, image: &GuestImage) -> anyhow::Result<Qemu> {
    let kvm = QemuConfig {
        qemu: config.qemu.clone(),
        vhost_device_vsock: config.vhost_device_vsock.clone(),
        shim: config.shim.clone(),
        accelerator: Accelerator::Kvm,
    };
    let tcg = QemuConfig { accelerator: Accelerator::Tcg, ..kvm.clone() };
    let chosen = match config.accelerator {
        AcceleratorChoice::Kvm => kvm,
        AcceleratorChoice::Tcg => tcg,
        AcceleratorChoice::Auto => match verdict(&kvm, home, image).await? {
            ProbeVerdict::Works { .. } => kvm,
            ProbeVerdict::Fails { reason } if config.allow_emulation => {
                tracing::warn!(reason, "KVM runs no guests here: jobs run under slow emulation");
                tcg
            }
            ProbeVerdict::Fails { reason } => {
                return Err(ChooseError::NoAccelerator { reason }.into());
            }
        },
    };
    Ok(Qemu::probe(chosen).await?)
}

/// The verdict on KVM, from an earlier start if nothing has changed since.
async fn verdict(
    kvm: &QemuConfig,
    home: &Home,
    image: &GuestImage,
) -> anyhow::Result<ProbeVerdict> {
    let identity = Qemu::probe(kvm.clone()).await?.identity().clone();
    let key = ProbeKey::new(&identity, &image.kernel.sha256)
        .map_err(|source| ChooseError::Probe { source })?;
    let kept = home.path().join("kvm.json");
    if let Some(verdict) = key.load(&kept) {
        return Ok(verdict);
    }
    tracing::info!("trying whether KVM runs guests here");
    let directory = home.vms_directory().join(PROBE);
    clear(&directory, home.instance()).await?;
    fs::create_dir(&directory).map_err(|source| ChooseError::Probe { source })?;
    let verdict = probe(kvm, &directory, image, home.instance()).await;
    clear(&directory, home.instance()).await?;
    let verdict = verdict?;
    key.store(&kept, &verdict).map_err(|source| ChooseError::Probe { source })?;
    Ok(verdict)
}

/// The end of this probe, or of one whose daemon was killed meanwhile.
async fn clear(directory: &Path, instance: &str) -> anyhow::Result<()> {
    vmm::reap(directory, instance).await?;
    match fs::remove_dir_all(directory) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(ChooseError::Probe { source }.into())
        }
        _ => Ok(()),
    }
}

async fn probe(
    kvm: &QemuConfig,
    directory: &Path,
    image: &GuestImage,
    instance: &str,
) -> Result<ProbeVerdict, ChooseError> {
    let disks = Disks { scratch: directory.join("scratch.raw"), outputs: Vec::new() };
    disk::allocate(&disks.scratch, PROBE_DISK_BYTES)?;
    disks.format_scratch().await?;
    let parts = Parts {
        name: PROBE,
        instance,
        directory,
        cid: PROBE_CID,
        cgroup: None,
        cpus: 1,
        memory_bytes: PROBE_MEMORY_BYTES,
        disks: &disks,
        sources: &[],
    };
    Ok(probe_kvm(kvm, machine::spec(image, parts)).await)
}
