//! Whether this host's KVM runs real guests.
//!
//! Opening `/dev/kvm` proves nothing, nor does a tiny guest: a nested KVM may have both and run a
//! stock kernel by interpreting it, which never comes to an end. So the real kernel and initramfs
//! are booted until the agent answers, or until the time for it is over.

mod cache;

use std::{fmt, fs::OpenOptions, time::Duration};

use tokio::time::Instant;

use super::{Accelerator, Qemu, QemuConfig, VmSpec, Vmm};
use crate::guest::{self, GuestError, Hello};

pub use self::cache::ProbeKey;

/// Under KVM a guest answers in well under a second, on a busy host in two or three.
pub const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// What the probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeVerdict {
    /// A guest's agent answered so long after its first instruction.
    Works {
        after: Duration,
    },
    Fails {
        reason: String,
    },
}

/// Boots `spec`, which is a machine as a job has it, under KVM. Its directory is the caller's to
/// remove.
pub async fn probe_kvm(config: &QemuConfig, spec: VmSpec) -> ProbeVerdict {
    match boot(config, spec).await {
        Ok(after) => ProbeVerdict::Works { after },
        Err(reason) => ProbeVerdict::Fails { reason },
    }
}

async fn boot(config: &QemuConfig, spec: VmSpec) -> Result<Duration, String> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .map_err(|error| format!("/dev/kvm cannot be opened: {error}"))?;
    let config = QemuConfig { accelerator: Accelerator::Kvm, ..config.clone() };
    let qemu = Qemu::probe(config).await.map_err(|error| described(&error))?;
    let machine = qemu.create(spec).await.map_err(|error| described(&error))?;
    let begin = Instant::now();
    machine.boot().await.map_err(|error| described(&error))?;
    let greeting = async {
        let connection =
            guest::connect(machine.vsock_socket(), PROBE_LIMIT, machine.as_ref()).await?;
        let secret = guest::draw_secret()?;
        let hello = Hello { hostname: "probe".to_owned(), secret, limit: PROBE_LIMIT };
        connection.hello(hello).await
    };
    let greeted = tokio::time::timeout_at(begin + PROBE_LIMIT, greeting).await;
    let after = begin.elapsed();
    machine.kill().await;
    match greeted {
        Ok(Ok(_)) => Ok(after),
        // Its console would say nothing of KVM.
        Ok(Err(GuestError::MachineExited { exit, .. })) => Err(format!("under KVM, {exit}")),
        Ok(Err(error)) => Err(format!("under KVM, {}", described(&error))),
        Err(_) => Err(format!("under KVM, no guest came up within {PROBE_LIMIT:?}")),
    }
}

/// An error with all its causes.
fn described(error: &dyn std::error::Error) -> String {
    let mut description = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        description = format!("{description}: {error}");
        cause = error.source();
    }
    description
}

impl fmt::Display for ProbeVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Works { after } => write!(formatter, "a guest answered after {after:?}"),
            Self::Fails { reason } => formatter.write_str(reason),
        }
    }
}
