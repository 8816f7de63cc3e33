//! A running Cloud Hypervisor as a [`Machine`].

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use kiln_shim::ProcessIdentity;
use serde_json::{Value, json};
use tokio::{sync::Mutex, time::timeout};

use super::{
    api::{Api, ApiError},
    change,
    exit::exit,
    render::{SNAPSHOT, VSOCK_SOCKET, url},
    snapshot,
    start::{DRIVER, NAME},
};
use crate::{
    host::cgroup::CgroupUsage,
    vmm::{
        Disk, JailState, Machine, MachineStatus, Network, SerialTail, Size, VmExit, VmmError,
        gateway, supervisor::Supervision,
    },
};

/// An idle Cloud Hypervisor answers in a millisecond or, to boot, in twenty; one whose host is
/// overrun, later.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// To write a guest's whole memory to a disk.
const SNAPSHOT_LIMIT: Duration = Duration::from_secs(120);
/// For one that has closed its API to be gone, and the other way round.
const PARTING: Duration = Duration::from_secs(5);

/// One machine. Dropping it kills its process.
#[derive(Debug)]
pub(super) struct CloudHypervisorMachine {
    pub(super) supervision: Supervision,
    pub(super) api: Api,
    /// What it was asked to be, with all that was changed since. Locked for as long as a change of
    /// it takes.
    pub(super) asked: Mutex<Value>,
    booted: AtomicBool,
    vsock_socket: PathBuf,
    gateway_socket: Option<PathBuf>,
}

impl CloudHypervisorMachine {
    pub(super) fn new(supervision: Supervision, api: Api, asked: Value, booted: bool) -> Self {
        let vsock_socket = supervision.directory().join(VSOCK_SOCKET);
        let gateway_socket = gateway::socket(&supervision);
        let (asked, booted) = (Mutex::new(asked), AtomicBool::new(booted));
        Self { supervision, api, asked, booted, vsock_socket, gateway_socket }
    }

    pub(super) async fn put(
        &self,
        command: &'static str,
        body: Option<&Value>,
    ) -> Result<Value, VmmError> {
        self.understood(command, self.api.put(command, body, CALL_LIMIT).await).await
    }

    pub(super) async fn put_with(
        &self,
        command: &'static str,
        body: &Value,
        descriptor: std::os::fd::OwnedFd,
    ) -> Result<Value, VmmError> {
        let answer = self.api.put_with(command, body, vec![descriptor], CALL_LIMIT).await;
        self.understood(command, answer).await
    }

    pub(super) async fn get(&self, command: &'static str) -> Result<Value, VmmError> {
        self.understood(command, self.api.get(command, CALL_LIMIT).await).await
    }

    async fn understood(
        &self,
        command: &'static str,
        answer: Result<Value, ApiError>,
    ) -> Result<Value, VmmError> {
        match answer {
            Ok(value) => Ok(value),
            Err(ApiError::Refused { reason }) => Err(VmmError::Refused { command, reason }),
            Err(ApiError::Garbled { what }) => {
                let reason = format!("its answer is not understood: {what}");
                Err(VmmError::Refused { command, reason })
            }
            Err(ApiError::Timeout(limit)) => Err(VmmError::Timeout { command, limit }),
            Err(ApiError::Closed(_)) => match timeout(PARTING, self.wait()).await {
                Ok(exit) => Err(VmmError::Gone(exit)),
                Err(_) => Err(VmmError::Timeout { command, limit: PARTING }),
            },
        }
    }

    /// One of [`super::render::PLACES`], where the machine has it.
    pub(super) async fn place(
        &self,
        name: &str,
        command: &'static str,
    ) -> Result<PathBuf, VmmError> {
        let place = self.supervision.directory().join(name);
        let asked = self.asked.lock().await;
        let rules = asked["landlock_rules"].as_array().map(Vec::as_slice).unwrap_or_default();
        if rules.iter().any(|rule| rule["path"].as_str().map(Path::new) == Some(&place)) {
            return Ok(place);
        }
        let reason = "the machine was made without a place for it".to_owned();
        Err(VmmError::Refused { command, reason })
    }

    async fn ending(&self) -> MachineStatus {
        match timeout(PARTING, self.wait()).await {
            Ok(exit) => MachineStatus::Exited(exit),
            Err(_) => MachineStatus::Unresponsive,
        }
    }
}

#[async_trait]
impl Machine for CloudHypervisorMachine {
    async fn boot(&self) -> Result<(), VmmError> {
        if let Some(end) = self.supervision.ended() {
            return Err(VmmError::Gone(exit(&end)));
        }
        if self.booted.swap(true, Ordering::Relaxed) {
            let reason = "the machine was booted before".to_owned();
            return Err(VmmError::Refused { command: "vm.boot", reason });
        }
        self.put("vm.boot", None).await.map(drop)
    }

    async fn status(&self) -> MachineStatus {
        let info = self.get("vm.info").await;
        let booted = self.booted.load(Ordering::Relaxed);
        match info.as_ref().map(|info| info["state"].as_str().unwrap_or("unknown")) {
            Ok("Created") if !booted => MachineStatus::Created,
            Ok("Running") => MachineStatus::Running,
            // On its way out: it drops the machine first, then forgets it, then ends.
            Ok("Created" | "Shutdown") | Err(VmmError::Refused { .. }) => self.ending().await,
            Ok(other) => MachineStatus::Stalled(other.to_lowercase()),
            Err(VmmError::Gone(exit)) => MachineStatus::Exited(exit.clone()),
            Err(_) => match self.supervision.ended() {
                Some(end) => MachineStatus::Exited(exit(&end)),
                None => MachineStatus::Unresponsive,
            },
        }
    }

    async fn wait(&self) -> VmExit {
        exit(&self.supervision.wait().await)
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        self.put("vm.power-button", None).await.map(drop)
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.supervision.mark_stopping().await;
        match self.put("vmm.shutdown", None).await {
            // The answer may be lost with the one who gives it.
            Ok(_) | Err(VmmError::Gone(VmExit::Stopped)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn kill(&self) -> VmExit {
        exit(&self.supervision.kill().await)
    }

    async fn pause(&self) -> Result<(), VmmError> {
        self.put("vm.pause", None).await.map(drop)
    }

    async fn resume(&self) -> Result<(), VmmError> {
        self.put("vm.resume", None).await.map(drop)
    }

    async fn resize(&self, size: Size) -> Result<(), VmmError> {
        change::resize(self, size).await
    }

    async fn add_disk(&self, disk: Disk) -> Result<(), VmmError> {
        change::add_disk(self, &disk).await
    }

    async fn add_network(&self, network: Network) -> Result<(), VmmError> {
        change::add_network(self, network).await
    }

    async fn remove_device(&self, id: &str) -> Result<(), VmmError> {
        change::remove_device(self, id).await
    }

    async fn snapshot(&self, to: &Path) -> Result<(), VmmError> {
        let io = |source| VmmError::Io { what: "the snapshot", source };
        let place = self.place(SNAPSHOT, "vm.snapshot").await?;
        snapshot::clear(&place).map_err(io)?;
        let destination = json!({"destination_url": url(&place)});
        let answer = self.api.put("vm.snapshot", Some(&destination), SNAPSHOT_LIMIT).await;
        self.understood("vm.snapshot", answer).await?;
        let to = to.to_owned();
        // As long as the guest's memory.
        let taken = tokio::task::spawn_blocking(move || snapshot::take(&place, &to)).await;
        taken.unwrap_or_else(|error| Err(error.into())).map_err(io)
    }

    async fn counters(&self) -> Result<BTreeMap<String, u64>, VmmError> {
        let counters = self.get("vm.counters").await?;
        let devices = counters.as_object().into_iter().flatten();
        let flat = devices.flat_map(|(device, counters)| {
            let counters = counters.as_object().into_iter().flatten();
            counters.filter_map(move |(counter, value)| {
                Some((format!("{device}.{counter}"), value.as_u64()?))
            })
        });
        Ok(flat.collect())
    }

    fn name(&self) -> &'static str {
        DRIVER
    }

    fn vsock_socket(&self) -> &Path {
        &self.vsock_socket
    }

    async fn serial(&self) -> SerialTail {
        self.supervision.serial().await
    }

    fn processes(&self) -> Vec<u32> {
        [NAME, gateway::NAME].iter().filter_map(|name| self.supervision.pid(name)).collect()
    }

    fn gateway(&self) -> Option<ProcessIdentity> {
        gateway::process(&self.supervision)
    }

    fn gateway_socket(&self) -> Option<&Path> {
        self.gateway_socket.as_deref()
    }

    fn jail(&self) -> Option<JailState> {
        JailState::of(self.supervision.children())
    }

    fn usage(&self) -> Option<CgroupUsage> {
        self.supervision.usage()
    }

    fn leave(self: Box<Self>) {
        let Self { supervision, .. } = *self;
        supervision.leave();
    }
}
