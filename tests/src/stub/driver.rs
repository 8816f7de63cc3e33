//! The driver of stub guests: what a VMM's driver is, written against the supervisor alone.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kiln_vmm_manager::vmm::{
    AdoptError, Disk, Machine, ShimConfig, VmExit, VmSpec, Vmm, VmmError, VmmIdentity, gateway,
    supervisor::{
        Descriptor, Found, Program, Source, Stdout, SupervisedEnd, SupervisedSpec, Supervision,
    },
};

use super::{
    FLOOD, OVERHEAD_BYTES,
    machine::{self, StubMachine},
    switchboard::{self, Order},
};

const DRIVER: &str = "stub";
/// Gives the guest a pid namespace and a `/proc`, and takes all of it along when it ends.
pub(super) const UNSHARE: &str = "/usr/bin/unshare";
/// The guest's end of its network, under the number at which it has it.
const TAP: i32 = 110;
const KEPT_BYTES: usize = 16 << 10;

#[derive(Debug)]
pub struct StubVmm {
    identity: VmmIdentity,
    shim: ShimConfig,
    stub_guest: PathBuf,
    switches: PathBuf,
}

impl StubVmm {
    /// Its programs stand beside this one.
    pub fn beside_this_program(switches: &Path) -> std::io::Result<Self> {
        let shim = ShimConfig::beside_this_program()?;
        Ok(Self {
            identity: VmmIdentity { name: DRIVER, version: "0".to_owned(), accelerator: "none" },
            stub_guest: shim.program.with_file_name("stub-guest"),
            shim,
            switches: switches.to_owned(),
        })
    }

    fn program(&self, cid: u32, disks: &[Disk], network: bool) -> Program {
        let mut arguments: Vec<String> =
            ["--pid", "--fork", "--mount-proc", "--kill-child", "--"].map(str::to_owned).into();
        arguments.push(self.stub_guest.display().to_string());
        arguments.extend(["--cid".to_owned(), cid.to_string()]);
        arguments.extend(["--switches".to_owned(), self.switches.display().to_string()]);
        if network && std::env::var_os(FLOOD).is_some() {
            arguments.extend(["--flood".to_owned(), TAP.to_string()]);
        }
        for Disk { serial, path, .. } in disks {
            arguments.extend(["--disk".to_owned(), format!("{serial}={}", path.display())]);
        }
        let tap = Descriptor { number: TAP, source: Source::Given { name: "tap".to_owned() } };
        Program {
            name: machine::NAME.to_owned(),
            path: UNSHARE.into(),
            arguments,
            stdout: Stdout::Serial { bytes: KEPT_BYTES },
            stderr_bytes: KEPT_BYTES,
            descriptors: network.then_some(tap).into_iter().collect(),
            network: false,
            parting_millis: 0,
            jail: None,
        }
    }
}

#[async_trait]
impl Vmm for StubVmm {
    fn identity(&self) -> &VmmIdentity {
        &self.identity
    }

    async fn create(&self, spec: VmSpec) -> Result<Box<dyn Machine>, VmmError> {
        let network = spec.network.as_ref();
        let own = self.program(spec.cid, &spec.disks, network.is_some());
        let programs = network.map(gateway::program).into_iter().chain([own]).collect();
        let supervised = SupervisedSpec {
            instance: spec.instance,
            name: spec.name,
            driver: DRIVER,
            directory: spec.directory,
            programs,
            main: machine::NAME,
            sockets: [switchboard::SOCKET, machine::VSOCK].map(str::to_owned).into(),
            cgroup: spec.cgroup,
        };
        let supervision = Supervision::create(&self.shim, supervised).await?;
        let machine = StubMachine::new(supervision);
        machine.ready().await?;
        Ok(Box::new(machine))
    }

    async fn adopt(
        &self,
        directory: &Path,
        instance: &str,
    ) -> Result<Box<dyn Machine>, AdoptError> {
        match Supervision::adopt(directory, instance, DRIVER).await? {
            Found::Running(supervision) => Ok(Box::new(StubMachine::new(supervision))),
            Found::Ended(end) => Err(AdoptError::Ended(exit(&end))),
        }
    }

    fn overhead_bytes(&self) -> u64 {
        OVERHEAD_BYTES
    }
}

/// What a stub's end means.
pub(super) fn exit(end: &SupervisedEnd) -> VmExit {
    use kiln_vmm_manager::vmm::supervisor::End;
    let record = match end {
        SupervisedEnd::Lost { killed: true } => return VmExit::Stopped,
        SupervisedEnd::Lost { killed: false } => return VmExit::SupervisorLost,
        SupervisedEnd::Ended(record) => record,
    };
    if record.stopping {
        return VmExit::Stopped;
    }
    let child = record.child(machine::NAME);
    let stderr = child.map(|child| child.stderr.clone()).unwrap_or_default();
    match child.map(|child| child.end) {
        Some(End::Code(0)) => VmExit::PoweredOff,
        // The guest's own process is a child of the one that is supervised, which tells of its
        // death by an exit code.
        Some(_) if record.oom_kills > 0 => {
            VmExit::OutOfMemory { limit_bytes: record.memory_limit_bytes.unwrap_or(0) }
        }
        Some(End::Code(code)) => VmExit::Failed { code, stderr },
        Some(End::Signal(signal)) => VmExit::Killed { signal, stderr },
        None => VmExit::SupervisorLost,
    }
}

/// For orders whose answer may be lost with the one who gives it.
pub(super) async fn order(order: Order, directory: &Path) -> Result<String, VmmError> {
    order.send(&directory.join(switchboard::SOCKET)).await.map_err(|error| VmmError::Io {
        what: "the stub's switchboard",
        source: std::io::Error::other(error),
    })
}
