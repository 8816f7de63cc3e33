//! A VM without a daemon: for what the agent does, many commands to a boot.

mod booting;
mod command;
mod driver;
mod root_image;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use kiln_vmm_manager::{
    guest::{self, Guest, GuestHello, Hello},
    vmm::{self, Machine, StopLimits, VmExit, VmSpec, Vmm, VmmIdentity},
};

pub use self::{
    booting::{Boot, BootEnd, BootingVm},
    command::{Ended, Ran, VmCommand},
    root_image::RootImage,
};
use crate::{Settings, Stage, patience::patient};

const BOOT_LIMIT: Duration = Duration::from_secs(180);
const HELLO_LIMIT: Duration = Duration::from_secs(60);
/// Dropped, its processes are killed.
#[derive(Debug)]
pub struct Vm {
    pub hello: GuestHello,
    guest: Guest,
    machine: Box<dyn Machine>,
    driver: Box<dyn Vmm>,
    spec: VmSpec,
    secret: [u8; 32],
    /// Of the VM's own: it may outlive the story that booted it.
    stage: Stage,
}

impl Vm {
    /// Boots one virtual CPU to the agent's hello.
    pub async fn boot(settings: &Arc<Settings>) -> anyhow::Result<Self> {
        let stage = Stage::set_up(Arc::clone(settings))?;
        let driver = driver::of(&stage).await?;
        let spec = driver::spec(settings, stage.directory().join("vm")).await?;
        let machine = driver.create(spec.clone()).await?;
        machine.boot().await?;
        let secret = guest::draw_secret()?;
        let (guest, hello) = greet(&*machine, secret).await?;
        Ok(Self { hello, guest, machine, driver, spec, secret, stage })
    }

    /// Holds it still, writes it down, ends it, and goes on from what was written, in another
    /// directory.
    pub async fn moved(self) -> anyhow::Result<Self> {
        let Self { hello, guest, machine, driver, spec, secret, stage } = self;
        let snapshot = stage.directory().join("snapshot");
        std::fs::create_dir(&snapshot)?;
        machine.pause().await?;
        machine.snapshot(&snapshot).await?;
        machine.kill().await;
        drop((guest, machine));
        let directory = stage.directory().join("moved");
        std::fs::rename(&spec.directory, &directory)?;
        let here = |path: PathBuf| match path.strip_prefix(&spec.directory) {
            Ok(name) => directory.join(name),
            Err(_elsewhere) => path,
        };
        let mut moved = VmSpec { directory: directory.clone(), ..spec.clone() };
        for disk in &mut moved.disks {
            disk.path = here(std::mem::take(&mut disk.path));
        }
        let machine = driver.restore(moved.clone(), &snapshot).await?;
        machine.resume().await?;
        // It knows us by the secret of its first hello.
        let (guest, _again) = greet(&*machine, secret).await?;
        Ok(Self { hello, guest, machine, driver, spec: moved, secret, stage })
    }

    pub fn command<A: Into<String>>(&self, argv: impl IntoIterator<Item = A>) -> VmCommand<'_> {
        VmCommand::new(&self.guest, argv.into_iter().map(Into::into).collect())
    }

    /// Runs a script with `sh`.
    pub async fn sh(&self, script: &str) -> anyhow::Result<Ran> {
        self.command(["sh", "-c", script]).run().await
    }

    pub fn identity(&self) -> &VmmIdentity {
        self.driver.identity()
    }

    /// Its own, where its sockets and disks are.
    pub fn directory(&self) -> &Path {
        &self.spec.directory
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
        let exit = tokio::time::timeout(patient(HELLO_LIMIT), self.machine.wait()).await;
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
        let Self { hello: _, guest, machine, driver: _, spec, secret: _, stage } = self;
        drop((guest, machine));
        // The directory is its owner's to remove, and what the VM left in it with that.
        std::fs::remove_dir_all(spec.directory)?;
        stage.strike().await
    }
}

async fn greet(machine: &dyn Machine, secret: [u8; 32]) -> anyhow::Result<(Guest, GuestHello)> {
    let hello = Hello {
        hostname: "kiln-story".to_owned(),
        secret,
        network: None,
        limit: patient(HELLO_LIMIT),
    };
    let socket = machine.vsock_socket();
    let greeted =
        async { guest::connect(socket, patient(BOOT_LIMIT), machine).await?.hello(hello).await };
    match greeted.await {
        Ok(greeted) => Ok(greeted),
        Err(error) => {
            let serial = machine.serial().await;
            Err(error).with_context(|| format!("the guest does not answer{serial}"))
        }
    }
}
