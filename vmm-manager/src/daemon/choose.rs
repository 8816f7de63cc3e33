//! Which VMM, and what executes the guests' instructions.

use std::{fs, io, path::Path};

use kiln_images::GuestImage;

use crate::{
    config::{AcceleratorChoice, Config},
    disk,
    home::Home,
    machine::{self, Share},
    vmm::{Accelerator, ProbeKey, ProbeVerdict, Qemu, QemuConfig, Vmm as _, probe_kvm},
};

const PROBE_DISK_BYTES: u64 = 64 << 20;
const PROBE_SHARE: Share = Share { cpus: 1, memory_bytes: 512 << 20 };

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
    Scratch(#[from] disk::ScratchError),
}

pub(super) async fn vmm(config: &Config, home: &Home, image: &GuestImage) -> anyhow::Result<Qemu> {
    let kvm = QemuConfig {
        qemu: config.qemu.clone(),
        vhost_device_vsock: config.vhost_device_vsock.clone(),
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
    let directory = home.path().join("vms").join("probe");
    fs::create_dir(&directory).map_err(|source| ChooseError::Probe { source })?;
    let verdict = probe(kvm, &directory, image).await;
    fs::remove_dir_all(&directory).map_err(|source| ChooseError::Probe { source })?;
    let verdict = verdict?;
    key.store(&kept, &verdict).map_err(|source| ChooseError::Probe { source })?;
    Ok(verdict)
}

async fn probe(
    kvm: &QemuConfig,
    directory: &Path,
    image: &GuestImage,
) -> Result<ProbeVerdict, ChooseError> {
    let scratch = directory.join("scratch.raw");
    disk::allocate(&scratch, PROBE_DISK_BYTES).await?;
    disk::format(&scratch).await?;
    let spec = machine::spec("probe", image, directory, &scratch, PROBE_SHARE);
    Ok(probe_kvm(kvm, spec).await)
}
