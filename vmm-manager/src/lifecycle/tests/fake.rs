//! A VMM without a machine: it keeps account of what lives, fails where it is told to, and its
//! machines outlive a daemon that is said to have died.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use kiln_shim::ProcessIdentity;
use tokio::{net::UnixListener, sync::watch, task::JoinHandle};

use super::agent::{self, Script};
use crate::vmm::{
    AdoptError, Machine, MachineStatus, SerialTail, VmExit, VmSpec, Vmm, VmmError, VmmIdentity,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Create,
    CreateHangs,
    Boot,
    DiesAtBoot,
    NeverListens,
    /// Its machines stand still when they are looked at.
    Stalls,
}

/// Every machine that was made, by its directory.
#[derive(Debug, Default)]
pub(super) struct Rack {
    machines: Mutex<HashMap<PathBuf, Arc<Core>>>,
    /// What each was made with: its kernel's words, and its disks by serial.
    pub(super) made: Mutex<Vec<(String, Vec<String>)>>,
    /// From now on a machine that is dropped lives on, as under a daemon that was killed.
    pub(super) daemon_died: AtomicBool,
}

impl Rack {
    pub(super) fn alive(&self) -> usize {
        let machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        machines.values().filter(|core| core.exit.borrow().is_none()).count()
    }

    pub(super) fn end_all(&self, cause: &VmExit) {
        for core in self.machines.lock().unwrap().values() {
            core.end(cause.clone());
        }
    }
}

#[derive(Debug)]
pub(super) struct FakeVmm {
    identity: VmmIdentity,
    fault: Fault,
    script: Script,
    rack: Arc<Rack>,
}

impl FakeVmm {
    pub(super) fn new(fault: Fault, script: Script, rack: Arc<Rack>) -> Self {
        let identity = VmmIdentity { name: "fake", version: "0".to_owned(), accelerator: "none" };
        Self { identity, fault, script, rack }
    }

    fn handle(&self, core: Arc<Core>) -> Box<dyn Machine> {
        Box::new(FakeMachine { core, rack: Arc::clone(&self.rack) })
    }
}

#[async_trait]
impl Vmm for FakeVmm {
    fn identity(&self) -> &VmmIdentity {
        &self.identity
    }

    async fn create(&self, spec: VmSpec) -> Result<Box<dyn Machine>, VmmError> {
        match self.fault {
            Fault::Create => {
                return Err(VmmError::Refused { command: "create", reason: "told to".to_owned() });
            }
            Fault::CreateHangs => std::future::pending().await,
            _ => {}
        }
        for disk in &spec.disks {
            assert!(disk.read_only || disk.path.exists(), "{} is not there", disk.path.display());
        }
        for disk in &spec.disks {
            let written = self.script.disks.lock().unwrap();
            for (_, bytes) in written.iter().filter(|(serial, _)| *serial == disk.serial) {
                let file = std::fs::File::options().write(true).open(&disk.path).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&file, bytes, 0).unwrap();
            }
        }
        let serials = spec.disks.iter().map(|disk| disk.serial.to_string()).collect();
        self.rack.made.lock().unwrap().push((spec.command_line.clone(), serials));
        if let Some(network) = &spec.network {
            assert!(network.config.exists() && network.record.exists(), "a gateway has no files");
        }
        let socket = spec.directory.join("vsock.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|source| VmmError::Io { what: "the vsock socket", source })?;
        let core = Arc::new(Core {
            socket,
            fault: self.fault,
            script: self.script.clone(),
            exit: watch::Sender::new(None),
            parts: Mutex::new((Some(listener), None)),
            has_network: spec.network.is_some(),
        });
        self.rack.machines.lock().unwrap().insert(spec.directory, Arc::clone(&core));
        Ok(self.handle(core))
    }

    async fn adopt(&self, directory: &Path, _: &str) -> Result<Box<dyn Machine>, AdoptError> {
        let core = self.rack.machines.lock().unwrap().get(directory).cloned();
        let core = core.ok_or(AdoptError::Nothing)?;
        if let Some(exit) = core.exit.borrow().clone() {
            return Err(AdoptError::Ended(exit));
        }
        Ok(self.handle(core))
    }

    fn overhead_bytes(&self) -> u64 {
        0
    }
}

/// The machine itself, whoever holds a handle to it.
#[derive(Debug)]
struct Core {
    socket: PathBuf,
    fault: Fault,
    script: Script,
    exit: watch::Sender<Option<VmExit>>,
    /// The socket before the boot, the agent behind it.
    parts: Mutex<(Option<UnixListener>, Option<JoinHandle<()>>)>,
    /// And so a gateway.
    has_network: bool,
}

impl Core {
    fn end(&self, cause: VmExit) -> VmExit {
        let mut parts = self.parts.lock().unwrap();
        parts.0 = None;
        if let Some(agent) = parts.1.take() {
            agent.abort();
        }
        self.exit.send_if_modified(|exit| {
            let ends = exit.is_none();
            if ends {
                *exit = Some(cause.clone());
            }
            ends
        });
        self.exit.borrow().clone().unwrap_or(cause)
    }
}

#[derive(Debug)]
struct FakeMachine {
    core: Arc<Core>,
    rack: Arc<Rack>,
}

#[async_trait]
impl Machine for FakeMachine {
    async fn boot(&self) -> Result<(), VmmError> {
        match self.core.fault {
            Fault::Boot => {
                return Err(VmmError::Refused { command: "boot", reason: "told to".to_owned() });
            }
            Fault::DiesAtBoot => {
                self.core.end(VmExit::Reset);
                return Ok(());
            }
            Fault::NeverListens => return Ok(()),
            _ => {}
        }
        let mut parts = self.core.parts.lock().unwrap();
        if let Some(listener) = parts.0.take() {
            parts.1 = Some(tokio::spawn(agent::serve(listener, self.core.script.clone())));
        }
        Ok(())
    }

    async fn status(&self) -> MachineStatus {
        match self.core.exit.borrow().clone() {
            Some(exit) => MachineStatus::Exited(exit),
            None if self.core.fault == Fault::Stalls => {
                MachineStatus::Stalled("io-error".to_owned())
            }
            None => MachineStatus::Running,
        }
    }

    async fn wait(&self) -> VmExit {
        let mut exit = self.core.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| exit.clone());
        ended.ok().flatten().unwrap_or(VmExit::Stopped)
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.core.end(VmExit::Stopped);
        Ok(())
    }

    async fn kill(&self) -> VmExit {
        self.core.end(VmExit::Stopped)
    }

    fn name(&self) -> &'static str {
        "fake"
    }

    fn gateway(&self) -> Option<ProcessIdentity> {
        self.core.has_network.then(|| ProcessIdentity::own().unwrap())
    }

    fn vsock_socket(&self) -> &Path {
        &self.core.socket
    }

    async fn serial(&self) -> SerialTail {
        SerialTail::default()
    }

    fn leave(self: Box<Self>) {
        std::mem::forget(self);
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        if !self.rack.daemon_died.load(Ordering::SeqCst) {
            self.core.end(VmExit::Stopped);
        }
    }
}
