//! A running QEMU as a [`Machine`].

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::{sync::watch, time::timeout};

use super::{
    bridge,
    monitor::{Monitor, MonitorError, ShutdownReason},
};
use crate::vmm::{
    Machine, MachineStatus, SerialTail, VmExit, VmmError,
    process::{ProcessExit, Supervised},
};

/// An idle QEMU answers in a millisecond; one whose host is overrun, later.
const CALL_LIMIT: Duration = Duration::from_secs(15);
/// For a QEMU that has closed its monitor to be gone, and the other way round.
const PARTING: Duration = Duration::from_secs(5);

/// One machine. Dropping it kills its processes.
#[derive(Debug)]
pub(super) struct QemuMachine {
    parts: Arc<Parts>,
    booted: AtomicBool,
    /// Published by the overseer when both processes are gone.
    exit: watch::Receiver<Option<VmExit>>,
    vsock_socket: PathBuf,
}

/// What a machine consists of; shared with the overseer, which outlives a dropped machine until
/// its processes are gone.
#[derive(Debug)]
pub(super) struct Parts {
    qemu: Supervised,
    bridge: Supervised,
    monitor: Monitor,
    /// Set before we end it, so that its end is not taken for somebody else's doing.
    stopping: AtomicBool,
}

impl Parts {
    pub(super) fn new(qemu: Supervised, bridge: Supervised, monitor: Monitor) -> Self {
        Self { qemu, bridge, monitor, stopping: AtomicBool::new(false) }
    }

    fn kill(&self) {
        self.stopping.store(true, Ordering::Release);
        self.qemu.kill();
        self.bridge.kill();
    }

    /// Ends what is left of the machine as soon as one of its processes has ended.
    async fn oversee(&self) -> VmExit {
        let bridge = tokio::select! {
            biased;
            _ = self.qemu.wait() => None,
            exit = self.bridge.wait() => Some(exit),
        };
        let stopping = self.stopping.load(Ordering::Acquire);
        if bridge.is_some() {
            self.qemu.kill();
        }
        let qemu = self.qemu.wait().await;
        let said = self.monitor.last_words(PARTING).await;
        let stopping = stopping || (bridge.is_none() && self.stopping.load(Ordering::Acquire));
        self.bridge.kill();
        let _ours = self.bridge.wait().await;
        let bridge_said = bridge.map(|exit| match self.bridge.stderr() {
            stderr if stderr.is_empty() => exit.to_string(),
            stderr => format!("{exit}: {stderr}"),
        });
        cause(said, stopping, bridge_said, qemu, self.qemu.stderr())
    }
}

/// The guest's own deed first, then ours, then what befell the processes.
fn cause(
    said: Option<ShutdownReason>,
    stopping: bool,
    bridge: Option<String>,
    qemu: ProcessExit,
    stderr: String,
) -> VmExit {
    match (said, qemu) {
        (Some(ShutdownReason::GuestPoweredOff), _) => VmExit::PoweredOff,
        (Some(ShutdownReason::GuestReset | ShutdownReason::GuestPanicked), _) => VmExit::Reset,
        _ if stopping => VmExit::Stopped,
        _ if let Some(cause) = bridge => VmExit::BridgeLost { cause },
        (_, ProcessExit::Signal(signal)) => VmExit::Killed { signal, stderr },
        (_, ProcessExit::Code(code)) => VmExit::Failed { code, stderr },
    }
}

impl QemuMachine {
    /// Must be called within a runtime, on which the machine is overseen.
    pub(super) fn new(parts: Parts, vsock_socket: PathBuf) -> Self {
        let parts = Arc::new(parts);
        let (publisher, exit) = watch::channel(None);
        let overseen = Arc::clone(&parts);
        tokio::spawn(async move {
            let exit = overseen.oversee().await;
            tracing::debug!(%exit, "a machine has ended");
            publisher.send_replace(Some(exit));
        });
        Self { parts, booted: AtomicBool::new(false), exit, vsock_socket }
    }

    async fn call(&self, command: &'static str) -> Result<serde_json::Value, VmmError> {
        match self.parts.monitor.call(command, CALL_LIMIT).await {
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
            Err(_) => match self.exit.borrow().clone() {
                Some(exit) => MachineStatus::Exited(exit),
                None => MachineStatus::Unresponsive,
            },
        }
    }

    async fn wait(&self) -> VmExit {
        let mut exit = self.exit.clone();
        let exit = exit.wait_for(Option::is_some).await.ok().and_then(|exit| exit.clone());
        // The overseer ends without a word only when its runtime does; that kills the machine.
        exit.unwrap_or(VmExit::Stopped)
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        self.call("system_powerdown").await.map(drop)
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.parts.stopping.store(true, Ordering::Release);
        match self.call("quit").await {
            // The answer may be lost with the one who gives it.
            Ok(_) | Err(VmmError::Gone(VmExit::Stopped)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn kill(&self) -> VmExit {
        self.parts.kill();
        self.wait().await
    }

    fn vsock_socket(&self) -> &Path {
        &self.vsock_socket
    }

    async fn vsock_attached(&self) {
        bridge::attached(self.parts.bridge.pid()).await;
    }

    fn serial(&self) -> SerialTail {
        let (bytes, dropped) = match self.parts.qemu.stdout() {
            Some(stdout) => stdout.snapshot(),
            None => Default::default(),
        };
        SerialTail { bytes, dropped }
    }

    fn processes(&self) -> Vec<u32> {
        vec![self.parts.qemu.pid(), self.parts.bridge.pid()]
    }
}

impl Drop for QemuMachine {
    fn drop(&mut self) {
        self.parts.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::{ProcessExit, ShutdownReason, VmExit, cause};

    fn check(
        said: Option<ShutdownReason>,
        stopping: bool,
        bridge: Option<&str>,
        qemu: ProcessExit,
        expected: &VmExit,
    ) {
        let exit = cause(said, stopping, bridge.map(str::to_owned), qemu, "oh".to_owned());
        assert_eq!(&exit, expected, "{said:?} {stopping} {bridge:?} {qemu:?}");
    }

    #[test]
    fn the_cause_is_the_first_of_those_that_explain_the_end() {
        use ProcessExit::{Code, Signal};
        use ShutdownReason::{GuestPanicked, GuestPoweredOff, GuestReset, Host};
        let killed = VmExit::Killed { signal: 9, stderr: "oh".into() };
        let failed = |code| VmExit::Failed { code, stderr: "oh".into() };
        let lost = VmExit::BridgeLost { cause: "was killed".into() };
        check(Some(GuestPoweredOff), false, None, Code(0), &VmExit::PoweredOff);
        check(Some(GuestPoweredOff), true, None, Signal(9), &VmExit::PoweredOff);
        check(Some(GuestReset), false, None, Code(0), &VmExit::Reset);
        check(Some(GuestPanicked), false, None, Code(0), &VmExit::Reset);
        check(Some(Host), true, None, Code(0), &VmExit::Stopped);
        check(None, true, None, Signal(9), &VmExit::Stopped);
        check(None, true, Some("was killed"), Signal(9), &VmExit::Stopped);
        check(None, false, Some("was killed"), Signal(9), &lost);
        check(None, false, None, Signal(9), &killed);
        check(None, false, None, Code(1), &failed(1));
        check(Some(Host), false, None, Code(0), &failed(0));
    }
}
