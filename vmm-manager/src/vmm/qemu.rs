//! The QEMU driver: a q35 machine over QMP, under KVM or TCG, its vsock bridged by
//! `vhost-device-vsock`.
//!
//! ```text
//! kilnd ──qmp.sock──▶ qemu ◀──vhost-user (vhost.sock)──▶ vhost-device-vsock ◀── vsock.sock
//!   └──shim.sock──▶ kiln-shim ──QMP (socket pair): why it ends
//! ```
//!
//! The sockets of QEMU are made by its supervisor and handed over: its monitor listens from before
//! its start, for one daemon after the other, and nothing has to be waited for.

mod adopt;
mod arguments;
mod bridge;
mod exit;
mod firmware;
mod jail;
mod machine;
mod modules;
mod monitor;
mod network;
mod read_back;
mod start;

use std::path::{Path, PathBuf};

use async_trait::async_trait;

pub use self::bridge::attached as bridge_attached;
use self::{firmware::Firmware, network::NetworkDevice};
use super::{
    AdoptError, Jailed, Machine, ShimConfig, VmSpec, Vmm, VmmError, VmmIdentity, gateway,
    words::version,
};

/// How much translated code QEMU keeps; beyond it, it begins anew. Its own default is an eighth of
/// the host's memory, which would not fit any limit.
const TRANSLATION_MEBIBYTES: u64 = 512;

/// Where the driver's programs are, and what executes the guest's instructions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QemuConfig {
    pub qemu: PathBuf,
    pub vhost_device_vsock: PathBuf,
    pub shim: ShimConfig,
    pub accelerator: Accelerator,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU's own translation: works everywhere, slow, not meant to hold an attacker.
    Tcg,
}

impl Accelerator {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// What QEMU, its bridge and the gateway take at most beside the guest's memory. QEMU itself is
    /// 60 to 150 MiB with its disks' buffers. Emulation adds the translated code, of which
    /// `TRANSLATION_MEBIBYTES` are kept, and what describes it.
    pub const fn overhead_bytes(self) -> u64 {
        gateway::OVERHEAD_BYTES
            + match self {
                Self::Kvm => 320 << 20,
                Self::Tcg => (512 + TRANSLATION_MEBIBYTES) << 20,
            }
    }
}

/// The driver.
#[derive(Clone, Debug)]
pub struct Qemu {
    config: QemuConfig,
    identity: VmmIdentity,
    program: Jailed,
    bridge: Jailed,
    firmware: Firmware,
    network: NetworkDevice,
}

impl Qemu {
    /// Finds out what both programs need, and asks them for their versions: they are there, and
    /// they run.
    pub async fn probe(config: QemuConfig) -> Result<Self, VmmError> {
        let mut qemu = Jailed::find(&config.qemu).await?;
        if let Some(module) = modules::of(config.accelerator, &qemu) {
            qemu = qemu.with_module(&module).await?;
        }
        let bridge = Jailed::find(&config.vhost_device_vsock).await?;
        let said = version(qemu.program(), &["--version"]).await?;
        version(bridge.program(), &["--version"]).await?;
        let firmware = Firmware::find(&version(qemu.program(), &["-L", "help"]).await?);
        let network = NetworkDevice::probe(qemu.program()).await;
        let identity = VmmIdentity {
            name: "qemu",
            version: number(&said).unwrap_or("unknown").to_owned(),
            accelerator: config.accelerator.name(),
        };
        Ok(Self { config, identity, program: qemu, bridge, firmware, network })
    }

    pub fn config(&self) -> &QemuConfig {
        &self.config
    }
}

#[async_trait]
impl Vmm for Qemu {
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

    fn overhead_bytes(&self) -> u64 {
        self.config.accelerator.overhead_bytes()
    }
}

/// `QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)` → `7.2.22`.
fn number(said: &str) -> Option<&str> {
    said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))
}

#[cfg(test)]
mod tests;
