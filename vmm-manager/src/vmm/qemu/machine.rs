//! A running QEMU as a [`Machine`].

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use kiln_shim::ProcessIdentity;
use tokio::time::timeout;

use super::{
    bridge,
    exit::exit,
    monitor::{Monitor, MonitorError},
    start::{DRIVER, NAME},
};
use crate::{
    host::cgroup::CgroupUsage,
    vmm::{
        JailState, Machine, MachineStatus, SerialTail, VmExit, VmmError, gateway,
        supervisor::Supervision,
    },
};

/// An idle QEMU answers in a millisecond; one whose host is overrun, later.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// For a QEMU that has closed its monitor to be gone, and the other way round.
const PARTING: Duration = Duration::from_secs(5);

/// One machine. Dropping it kills its processes.
#[derive(Debug)]
pub(super) struct QemuMachine {
    supervision: Supervision,
    monitor: Monitor,
    booted: AtomicBool,
    vsock_socket: PathBuf,
    gateway_socket: Option<PathBuf>,
}

impl QemuMachine {
    pub(super) fn new(supervision: Supervision, monitor: Monitor, booted: bool) -> Self {
        let vsock_socket = supervision.directory().join(bridge::VSOCK_SOCKET);
        let gateway_socket = gateway::socket(&supervision);
        Self { supervision, monitor, booted: AtomicBool::new(booted), vsock_socket, gateway_socket }
    }

    async fn call(&self, command: &'static str) -> Result<serde_json::Value, VmmError> {
        match self.monitor.call(command, CALL_LIMIT).await {
            Ok(value) => Ok(value),
            Err(MonitorError::Refused { reason }) => Err(VmmError::Refused { command, reason }),
            Err(MonitorError::Timeout(limit)) => Err(VmmError::Timeout { command, limit }),
            Err(MonitorError::Closed) => match timeout(PARTING, self.wait()).await {
                Ok(exit) => Err(VmmError::Gone(exit)),
                Err(_) => Err(VmmError::Timeout { command, limit: PARTING }),
            },
        }
    }
}

#[async_trait]
impl Machine for QemuMachine {
    async fn boot(&self) -> Result<(), VmmError> {
        if self.booted.swap(true, Ordering::Relaxed) {
            let reason = "the machine was booted before".to_owned();
            return Err(VmmError::Refused { command: "boot", reason });
        }
        self.call("cont").await.map(drop)
    }

    async fn status(&self) -> MachineStatus {
        let answer = self.call("query-status").await;
        match answer.as_ref().map(|answer| answer["status"].as_str().unwrap_or("unknown")) {
            Ok("prelaunch") => MachineStatus::Created,
            Ok("running") => MachineStatus::Running,
            // On its way out: with `-no-reboot` QEMU ends by itself.
            Ok("shutdown" | "guest-panicked") => match timeout(PARTING, self.wait()).await {
                Ok(exit) => MachineStatus::Exited(exit),
                Err(_) => MachineStatus::Unresponsive,
            },
            Ok(other) => MachineStatus::Stalled(other.to_owned()),
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
        self.call("system_powerdown").await.map(drop)
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.supervision.mark_stopping().await;
        match self.call("quit").await {
            // The answer may be lost with the one who gives it.
            Ok(_) | Err(VmmError::Gone(VmExit::Stopped)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn kill(&self) -> VmExit {
        exit(&self.supervision.kill().await)
    }

    async fn pause(&self) -> Result<(), VmmError> {
        self.call("stop").await.map(drop)
    }

    async fn resume(&self) -> Result<(), VmmError> {
        self.call("cont").await.map(drop)
    }

    fn name(&self) -> &'static str {
        DRIVER
    }

    fn vsock_socket(&self) -> &Path {
        &self.vsock_socket
    }

    async fn vsock_attached(&self) {
        match self.supervision.pid(bridge::NAME) {
            Some(pid) => bridge::attached(pid).await,
            None => std::future::pending().await,
        }
    }

    async fn serial(&self) -> SerialTail {
        self.supervision.serial().await
    }

    fn processes(&self) -> Vec<u32> {
        [NAME, bridge::NAME, gateway::NAME]
            .iter()
            .filter_map(|name| self.supervision.pid(name))
            .collect()
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
