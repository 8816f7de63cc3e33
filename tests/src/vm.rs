//! A VM without a daemon: for what the agent does, many commands to a boot.

mod command;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use kiln_images::GuestImage;
use kiln_vmm_manager::{
    disk,
    guest::{self, Guest, GuestHello, Hello},
    vmm::{
        self, Accelerator, Disk, Machine, Qemu, QemuConfig, ShimConfig, StopLimits, VmExit, VmSpec,
        Vmm as _,
    },
};

pub use self::command::{Ended, Ran, VmCommand};
use crate::{Settings, Stage, scratch::scratch as make_scratch};

const BOOT_LIMIT: Duration = Duration::from_secs(180);
const HELLO_LIMIT: Duration = Duration::from_secs(60);
const MEMORY_BYTES: u64 = 512 << 20;
/// Small, so that it is soon full.
const SCRATCH_BYTES: u64 = 64 << 20;

/// Dropped, its processes are killed.
#[derive(Debug)]
pub struct Vm {
    pub hello: GuestHello,
    guest: Guest,
    machine: Box<dyn Machine>,
    /// Of the VM's own: it may outlive the story that booted it.
    stage: Stage,
}

impl Vm {
    /// Boots one virtual CPU to the agent's hello.
    pub async fn boot(settings: &Arc<Settings>) -> anyhow::Result<Self> {
        let stage = Stage::set_up(Arc::clone(settings))?;
        let accelerator = stage.accelerator().await?;
        let machine = create(settings, accelerator, stage.directory().join("vm")).await?;
        machine.boot().await?;
        let socket = machine.vsock_socket().to_owned();
        let secret = guest::draw_secret()?;
        let hello = Hello { hostname: "kiln-story".to_owned(), secret, limit: HELLO_LIMIT };
        let greeted =
            async { guest::connect(&socket, BOOT_LIMIT, &*machine).await?.hello(hello).await };
        match greeted.await {
            Ok((guest, hello)) => Ok(Self { hello, guest, machine, stage }),
            Err(error) => {
                let serial = machine.serial().await;
                Err(error).with_context(|| format!("the guest does not answer{serial}"))
            }
        }
    }

    pub fn command<A: Into<String>>(&self, argv: impl IntoIterator<Item = A>) -> VmCommand<'_> {
        VmCommand::new(&self.guest, argv.into_iter().map(Into::into).collect())
    }

    /// Runs a script with `sh`.
    pub async fn sh(&self, script: &str) -> anyhow::Result<Ran> {
        self.command(["sh", "-c", script]).run().await
    }

    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    pub fn machine(&self) -> &dyn Machine {
        &*self.machine
    }

    pub fn is_running(&self) -> impl Future<Output = bool> {
        let status = self.machine.status();
        async move { status.await == vmm::MachineStatus::Running }
    }

    /// Asks the agent to end the guest, and checks that it does so without being killed.
    pub async fn shut_down(self) -> anyhow::Result<()> {
        self.guest.shut_down(HELLO_LIMIT).await?;
        self.has_powered_off().await
    }

    /// Presses the power button, and checks that the guest obeys.
    pub async fn press_power_button(self) -> anyhow::Result<()> {
        self.machine.press_power_button().await?;
        self.has_powered_off().await
    }

    async fn has_powered_off(self) -> anyhow::Result<()> {
        let exit = tokio::time::timeout(HELLO_LIMIT, self.machine.wait()).await;
        let serial = self.machine.serial().await;
        let exit = exit.with_context(|| format!("the VM goes on{serial}"))?;
        ensure!(exit.is_power_off(), "{exit}{serial}");
        self.strike().await
    }

    /// Ends it, whatever state it is in.
    pub async fn end(self) -> anyhow::Result<VmExit> {
        let exit = vmm::stop(&*self.machine, StopLimits::default()).await?;
        self.strike().await?;
        Ok(exit)
    }

    async fn strike(self) -> anyhow::Result<()> {
        let Self { hello: _, guest, machine, stage } = self;
        drop((guest, machine));
        // The directory is its owner's to remove, and what the VM left in it with that.
        std::fs::remove_dir_all(stage.directory().join("vm"))?;
        stage.strike().await
    }
}

async fn create(
    settings: &Settings,
    accelerator: Accelerator,
    directory: PathBuf,
) -> anyhow::Result<Box<dyn Machine>> {
    let image = GuestImage::open(&settings.guest_image)?;
    let config = QemuConfig {
        qemu: "qemu-system-x86_64".into(),
        vhost_device_vsock: settings.vhost_device_vsock.clone(),
        accelerator,
        shim: ShimConfig { program: settings.kilnd.with_file_name("kiln-shim") },
    };
    let qemu = Qemu::probe(config).await?;
    std::fs::create_dir(&directory)?;
    let scratch = directory.join("scratch");
    make_scratch(&scratch, SCRATCH_BYTES).await?;
    let disk =
        |serial: &'static str, path, read_only| Disk { serial: serial.into(), path, read_only };
    let spec = VmSpec {
        name: "story".to_owned(),
        instance: "story".to_owned(),
        cid: 3,
        cgroup: None,
        directory,
        cpus: 1,
        memory_bytes: MEMORY_BYTES,
        kernel: image.kernel.path,
        initramfs: image.initramfs.path,
        command_line: image.command_line,
        disks: vec![
            disk(disk::ROOT_SERIAL, image.root.path, true),
            disk(disk::SCRATCH_SERIAL, scratch, false),
        ],
    };
    Ok(qemu.create(spec).await?)
}
