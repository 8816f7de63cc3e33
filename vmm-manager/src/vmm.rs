//! The VMM seam: what Kiln asks of a virtual machine monitor.
//!
//! ```text
//!   create            boot              the guest ends it, or the host does
//! ────────▶ Created ────────▶ Running ──────────────────────────────────────▶ Exited(VmExit)
//!              └──────────────── kill, or the process dies ────────────────────▲
//! ```
//!
//! *Happy path*: [`Vmm::create`] starts a supervised process that holds the configured machine,
//! nothing of the guest has run; the caller finishes what must be in place before the first
//! instruction; [`Machine::boot`]; the guest powers itself off and [`Machine::wait`] tells so.
//! *Failure paths*: the process dies at any moment: `wait` resolves with the cause, every other
//! call answers [`VmmError::Gone`]. The guest falls silent: [`stop()`] climbs power button →
//! shutdown → kill. The caller forgets: dropping a machine kills its processes.
//!
//! A machine outlives its daemon: its processes are the children of a supervisor of its own
//! (`kiln-shim`), through which [`Vmm::adopt`] takes up what an earlier daemon made, and with which
//! they die. [`Machine::leave`] lets go of a machine without ending it; [`reap()`] ends what an
//! earlier daemon left in a directory.
//!
//! A machine with a network has a gateway among its programs, which begins first and whose end is
//! the machine's: see [`gateway`].
//!
//! The seam is cut along Cloud Hypervisor's life cycle (create, boot, power button, shutdown);
//! QEMU's `-S` and `cont` fit into it, not the other way round.

mod adopt;
pub mod behaviour;
mod cloud_hypervisor;
mod exit;
pub mod gateway;
mod jail_state;
mod jailed;
pub mod null_guest;
mod pair;
mod probe;
mod qemu;
mod reap;
mod serial;
mod spec;
mod stop;
pub mod supervisor;
mod words;

use std::{collections::BTreeMap, path::Path};

use async_trait::async_trait;
use kiln_shim::ProcessIdentity;

pub(crate) use self::probe::described;
pub use self::{
    adopt::AdoptError,
    cloud_hypervisor::{CloudHypervisor, CloudHypervisorConfig},
    exit::VmExit,
    jail_state::JailState,
    jailed::{Jailed, JailedError},
    pair::Pair,
    probe::{
        Hindrance, ProbeKey, ProbeVerdict, Verdicts, kvm_opens, probe, probe_limit, probe_null,
    },
    qemu::{Accelerator, Qemu, QemuConfig, bridge_attached},
    reap::{ReapError, Reaped, reap},
    serial::SerialTail,
    spec::{Disk, MachineNetwork, Network, Size, VmSpec},
    stop::{StopLimits, stop},
    supervisor::ShimConfig,
};
use crate::host::cgroup::CgroupUsage;

/// What a driver is, as it stands in each job's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmmIdentity {
    /// `cloud-hypervisor` or `qemu`.
    pub name: &'static str,
    /// As the binary itself says.
    pub version: String,
    /// `kvm` or `tcg`.
    pub accelerator: &'static str,
}

/// A driver: makes machines of one kind of VMM.
#[async_trait]
pub trait Vmm: std::fmt::Debug + Send + Sync {
    fn identity(&self) -> &VmmIdentity;

    /// Starts the VMM's processes with the machine configured and nothing of the guest run.
    /// On failure nothing is left but files in `spec.directory`.
    async fn create(&self, spec: VmSpec) -> Result<Box<dyn Machine>, VmmError>;

    /// Takes up what an earlier daemon of this home made in `directory`. Nothing is ended by it but
    /// what is left of a machine that has ended ([`AdoptError::Ended`]): where it fails otherwise,
    /// [`reap()`] comes next.
    ///
    /// # Cancel safety
    /// Safe: the machine runs on, and can be adopted again.
    async fn adopt(&self, directory: &Path, instance: &str)
    -> Result<Box<dyn Machine>, AdoptError>;

    /// Makes a machine that goes on where [`Machine::snapshot`] took `from`: paused, with the disks,
    /// the sockets and the user of `spec`.
    async fn restore(&self, spec: VmSpec, from: &Path) -> Result<Box<dyn Machine>, VmmError> {
        let _ = (spec, from);
        Err(unsupported("restore", self.identity().name))
    }

    /// What the machine's processes need at most beside the guest's own memory: its cgroup's limit
    /// is the sum of both.
    fn overhead_bytes(&self) -> u64;
}

/// One virtual machine and the processes that are it.
#[async_trait]
pub trait Machine: std::fmt::Debug + Send + Sync {
    /// Lets the guest run its first instruction. Once.
    async fn boot(&self) -> Result<(), VmmError>;

    /// What the machine is doing now, asked of the process and never answered from memory.
    async fn status(&self) -> MachineStatus;

    /// Resolves when the VMM's process has been reaped, with what ended it; at once if that was
    /// earlier. Any number of callers.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    async fn wait(&self) -> VmExit;

    /// Presses the power button: asks the guest, which may not listen.
    async fn press_power_button(&self) -> Result<(), VmmError>;

    /// Asks the VMM to end the machine in order, without asking the guest.
    async fn shut_down(&self) -> Result<(), VmmError>;

    /// SIGKILL to every process of the machine, and reaps them.
    async fn kill(&self) -> VmExit;

    /// Holds the guest still.
    async fn pause(&self) -> Result<(), VmmError> {
        Err(unsupported("pause", self.name()))
    }

    /// Lets a guest that was held still go on.
    async fn resume(&self) -> Result<(), VmmError> {
        Err(unsupported("resume", self.name()))
    }

    /// Gives a running machine more, within what it was made for; the guest has to take it up
    /// (`guest::Session::online`).
    async fn resize(&self, size: Size) -> Result<(), VmmError> {
        let _ = size;
        Err(unsupported("resize", self.name()))
    }

    /// Plugs in a disk, which the guest finds by its serial.
    async fn add_disk(&self, disk: Disk) -> Result<(), VmmError> {
        let _ = disk;
        Err(unsupported("add-disk", self.name()))
    }

    /// Plugs in a network: between create and boot, or later.
    async fn add_network(&self, network: Network) -> Result<(), VmmError> {
        let _ = network;
        Err(unsupported("add-network", self.name()))
    }

    /// Takes out a disk by its serial, or a network by its id; done when the guest has let go.
    async fn remove_device(&self, id: &str) -> Result<(), VmmError> {
        let _ = id;
        Err(unsupported("remove-device", self.name()))
    }

    /// Writes a paused machine into `to`, an empty directory.
    async fn snapshot(&self, to: &Path) -> Result<(), VmmError> {
        let _ = to;
        Err(unsupported("snapshot", self.name()))
    }

    /// What its devices have done so far, as the VMM counts: `disk0.read_bytes` and the like.
    async fn counters(&self) -> Result<BTreeMap<String, u64>, VmmError> {
        Err(unsupported("counters", self.name()))
    }

    /// Of its driver.
    fn name(&self) -> &'static str;

    /// The unix socket of the vsock bridge: `CONNECT <port>\n` is answered by `OK <n>\n`.
    fn vsock_socket(&self) -> &Path;

    /// Resolves when the guest's driver has taken the bridge up. A call before that is lost at
    /// best. Never resolves when the guest has no driver, or the machine is gone.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed.
    async fn vsock_attached(&self) {}

    /// The end of what the guest wrote to its serial console, as its supervisor keeps it. Empty when
    /// there is none to ask any more.
    async fn serial(&self) -> SerialTail;

    /// The processes that are this machine, the VMM first; for records, never to be signalled by
    /// number. Empty where there are none.
    fn processes(&self) -> Vec<u32> {
        Vec::new()
    }

    /// The process that is its gateway, for whoever is to prove that; `None` where it has no network.
    fn gateway(&self) -> Option<ProcessIdentity> {
        None
    }

    /// Where its gateway listens for daemons; `None` where it has no network.
    fn gateway_socket(&self) -> Option<&Path> {
        None
    }

    /// How well its programs are shut in; `None` where it has none.
    fn jail(&self) -> Option<JailState> {
        None
    }

    /// What its processes have used so far, and still to be asked when they are gone; `None` where
    /// it has no cgroup of its own.
    fn usage(&self) -> Option<CgroupUsage> {
        None
    }

    /// Lets go of a machine that runs on for the next daemon. Dropping it kills, instead.
    fn leave(self: Box<Self>);
}

/// What a machine is doing, as its process says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineStatus {
    Created,
    Running,
    /// Frozen by something other than us: an internal error of the VMM, a full disk below it.
    Stalled(String),
    Exited(VmExit),
    /// The process lives and does not answer.
    Unresponsive,
}

fn unsupported(command: &'static str, vmm: &'static str) -> VmmError {
    VmmError::Unsupported { command, vmm }
}

/// Why a driver could not do as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum VmmError {
    #[error("{program} could not be started")]
    Spawn { program: String, source: std::io::Error },
    #[error("{program} did not show {what} within {limit:?}{stderr}")]
    NotReady { program: String, what: &'static str, limit: std::time::Duration, stderr: String },
    #[error(transparent)]
    Jailed(#[from] JailedError),
    #[error("the machine is gone: {0}")]
    Gone(VmExit),
    #[error("{command} was refused: {reason}")]
    Refused { command: &'static str, reason: String },
    #[error("{command} had no answer within {limit:?}")]
    Timeout { command: &'static str, limit: std::time::Duration },
    #[error("the machine runs with {field} = {actual}, not {asked} as asked")]
    ReadBack { field: String, asked: String, actual: String },
    #[error("{command} is not supported by {vmm}")]
    Unsupported { command: &'static str, vmm: &'static str },
    #[error("the disk {serial} looks like {what} to {vmm}, which does not take it for raw")]
    Disk { serial: String, what: &'static str, vmm: &'static str },
    #[error("{program} is version {version}; Kiln needs {least} or later")]
    Version { program: String, version: String, least: String },
    #[error("the socket path {path} is longer than {limit} bytes; choose a shorter home")]
    SocketPath { path: std::path::PathBuf, limit: usize },
    #[error("{what} cannot be used")]
    Io { what: &'static str, source: std::io::Error },
}
