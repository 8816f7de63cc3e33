//! A VMM without a machine: it keeps account of what lives and fails where it is told to.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use tokio::{net::UnixListener, sync::watch, task::JoinHandle};

use super::agent::{self, Script};
use crate::vmm::{Machine, MachineStatus, SerialTail, VmExit, VmSpec, Vmm, VmmError, VmmIdentity};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Create,
    CreateHangs,
    Boot,
    DiesAtBoot,
    NeverListens,
}

/// How many machines live.
#[derive(Debug, Default)]
pub(super) struct Ledger(AtomicUsize);

impl Ledger {
    pub(super) fn alive(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Debug)]
pub(super) struct FakeVmm {
    identity: VmmIdentity,
    fault: Fault,
    script: Script,
    ledger: Arc<Ledger>,
}

impl FakeVmm {
    pub(super) fn new(fault: Fault, script: Script) -> Self {
        let identity = VmmIdentity { name: "fake", version: "0".to_owned(), accelerator: "none" };
        Self { identity, fault, script, ledger: Arc::default() }
    }

    pub(super) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
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
            Fault::None | Fault::Boot | Fault::DiesAtBoot | Fault::NeverListens => {}
        }
        for disk in &spec.disks {
            assert!(disk.read_only || disk.path.exists(), "{} is not there", disk.path.display());
        }
        let socket = spec.directory.join("vsock.sock");
        let listener = UnixListener::bind(&socket)
            .map_err(|source| VmmError::Io { what: "the vsock socket", source })?;
        self.ledger.0.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(FakeMachine {
            socket,
            fault: self.fault,
            script: self.script.clone(),
            exit: watch::Sender::new(None),
            parts: std::sync::Mutex::new((Some(listener), None)),
            ledger: Arc::clone(&self.ledger),
        }))
    }
}

#[derive(Debug)]
struct FakeMachine {
    socket: PathBuf,
    fault: Fault,
    script: Script,
    exit: watch::Sender<Option<VmExit>>,
    /// The socket before the boot, the agent behind it.
    parts: std::sync::Mutex<(Option<UnixListener>, Option<JoinHandle<()>>)>,
    ledger: Arc<Ledger>,
}

impl FakeMachine {
    fn end(&self, cause: VmExit) -> VmExit {
        let mut parts = self.parts.lock().unwrap();
        parts.0 = None;
        if let Some(agent) = parts.1.take() {
            agent.abort();
        }
        self.exit.send_if_modified(|exit| {
            let ends = exit.is_none();
            if ends {
                self.ledger.0.fetch_sub(1, Ordering::SeqCst);
                *exit = Some(cause.clone());
            }
            ends
        });
        self.exit.borrow().clone().unwrap_or(cause)
    }
}

#[async_trait]
impl Machine for FakeMachine {
    async fn boot(&self) -> Result<(), VmmError> {
        match self.fault {
            Fault::Boot => {
                return Err(VmmError::Refused { command: "boot", reason: "told to".to_owned() });
            }
            Fault::DiesAtBoot => {
                self.end(VmExit::Reset);
                return Ok(());
            }
            Fault::NeverListens => return Ok(()),
            Fault::None | Fault::Create | Fault::CreateHangs => {}
        }
        let mut parts = self.parts.lock().unwrap();
        if let Some(listener) = parts.0.take() {
            parts.1 = Some(tokio::spawn(agent::serve(listener, self.script.clone())));
        }
        Ok(())
    }

    async fn status(&self) -> MachineStatus {
        self.exit.borrow().clone().map_or(MachineStatus::Running, MachineStatus::Exited)
    }

    async fn wait(&self) -> VmExit {
        let mut exit = self.exit.subscribe();
        let ended = exit.wait_for(Option::is_some).await.map(|exit| exit.clone());
        ended.ok().flatten().unwrap_or(VmExit::Stopped)
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.end(VmExit::Stopped);
        Ok(())
    }

    async fn kill(&self) -> VmExit {
        self.end(VmExit::Stopped)
    }

    fn vsock_socket(&self) -> &Path {
        &self.socket
    }

    fn serial(&self) -> SerialTail {
        SerialTail::default()
    }
}

impl Drop for FakeMachine {
    fn drop(&mut self) {
        self.end(VmExit::Stopped);
    }
}
