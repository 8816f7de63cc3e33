//! Which VMM makes the VMs of a run, and the shape that they all have.

use std::path::PathBuf;

use anyhow::Context as _;
use kiln_images::GuestImage;
use kiln_vmm_manager::{
    disk,
    host::VmUsers,
    vmm::{
        CloudHypervisor, CloudHypervisorConfig, Disk, Qemu, QemuConfig, ShimConfig, VmSpec, Vmm,
    },
};

use crate::{Settings, Stage, scratch::scratch as make_scratch};

const MEMORY_BYTES: u64 = 512 << 20;
/// Small, so that it is soon full.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Where kilnd has its users' ids by default.
const USERS: u32 = 1_900_000_000;

/// That of the run.
pub(crate) async fn of(stage: &Stage) -> anyhow::Result<Box<dyn Vmm>> {
    let settings = stage.settings();
    let shim = ShimConfig { program: settings.kilnd.with_file_name("kiln-shim") };
    if settings.vmm == "cloud-hypervisor" {
        let program = settings.cloud_hypervisor.clone();
        let cloud_hypervisor = program.context("there is no cloud-hypervisor")?;
        let config = CloudHypervisorConfig { cloud_hypervisor, shim };
        return Ok(Box::new(CloudHypervisor::probe(config).await?.with_places()));
    }
    let config = QemuConfig {
        qemu: "qemu-system-x86_64".into(),
        vhost_device_vsock: settings.vhost_device_vsock.clone(),
        accelerator: stage.accelerator().await?,
        shim,
    };
    Ok(Box::new(Qemu::probe(config).await?))
}

/// Makes the machine's directory and its scratch disk.
pub(crate) async fn spec(settings: &Settings, directory: PathBuf) -> anyhow::Result<VmSpec> {
    let image = GuestImage::open(&settings.guest_image)?;
    std::fs::create_dir(&directory)?;
    let scratch = directory.join("scratch");
    make_scratch(&scratch, SCRATCH_BYTES).await?;
    let disk =
        |serial: &'static str, path, read_only| Disk { serial: serial.into(), path, read_only };
    let is_root = rustix::process::geteuid().is_root();
    Ok(VmSpec {
        name: "story".to_owned(),
        instance: "story".to_owned(),
        cid: 3,
        user: is_root.then(|| VmUsers::from_base(USERS).map(VmUsers::of_probe)).transpose()?,
        cgroup: None,
        directory,
        cpus: 1,
        memory_bytes: MEMORY_BYTES,
        kernel: image.kernel.path,
        initramfs: image.initramfs.path,
        command_line: image.command_line,
        network: None,
        disks: vec![
            disk(disk::ROOT_SERIAL, image.root.path, true),
            disk(disk::SCRATCH_SERIAL, scratch, false),
        ],
    })
}
