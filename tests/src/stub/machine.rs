//! A stub guest under its supervisor.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use async_trait::async_trait;
use kiln_vmm_manager::{
    host::cgroup::CgroupUsage,
    vmm::{
        JailState, Machine, MachineStatus, SerialTail, VmExit, VmmError,
        supervisor::{SupervisedEnd, Supervision},
    },
};
use tokio::time::{sleep, timeout};

use super::{
    driver::{exit, order},
    switchboard::Order,
};

pub(super) const NAME: &str = "stub-guest";
pub(super) const VSOCK: &str = "run/vsock.sock";
/// For a process to start on a busy host.
const READY: Duration = Duration::from_secs(20);
const CALL: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(super) struct StubMachine {
    supervision: Supervision,
    vsock_socket: PathBuf,
}

impl StubMachine {
    pub(super) fn new(supervision: Supervision) -> Self {
        let vsock_socket = supervision.directory().join(VSOCK);
        Self { supervision, vsock_socket }
    }

    /// Until it takes orders.
    pub(super) async fn ready(&self) -> Result<(), VmmError> {
        let ask = async {
            while self.call(Order::Status).await.is_err() {
                if let Some(end) = self.supervision.ended() {
                    return Err(VmmError::Gone(exit(&end)));
                }
                sleep(PAUSE).await;
            }
            Ok(())
        };
        let silent = |_| VmmError::NotReady {
            program: NAME.to_owned(),
            what: "its switchboard",
            limit: READY,
            stderr: String::new(),
        };
        timeout(READY, ask).await.map_err(silent)?
    }

    async fn call(&self, what: Order) -> Result<String, VmmError> {
        let call = timeout(CALL, order(what, self.supervision.directory())).await;
        let answer = call.map_err(|_| VmmError::Timeout { command: what.name(), limit: CALL })?;
        match (answer, self.supervision.ended()) {
            (Err(_), Some(end)) => Err(VmmError::Gone(exit(&end))),
            (answer, _) => answer,
        }
    }

    /// An order that is obeyed by going away has no answer.
    async fn last_call(&self, what: Order) -> Result<(), VmmError> {
        match self.call(what).await {
            Ok(_) | Err(VmmError::Gone(_) | VmmError::Io { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Machine for StubMachine {
    async fn boot(&self) -> Result<(), VmmError> {
        match self.call(Order::Boot).await {
            // It died of it, which whoever waits for it hears.
            Err(VmmError::Io { .. }) => Ok(()),
            answer => answer.map(drop),
        }
    }

    async fn status(&self) -> MachineStatus {
        match (self.call(Order::Status).await, self.supervision.ended()) {
            (_, Some(end)) => MachineStatus::Exited(exit(&end)),
            (Ok(said), None) if said == "created" => MachineStatus::Created,
            (Ok(_), None) => MachineStatus::Running,
            (Err(_), None) => MachineStatus::Unresponsive,
        }
    }

    async fn wait(&self) -> VmExit {
        let end: SupervisedEnd = self.supervision.wait().await;
        exit(&end)
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        self.last_call(Order::Power).await
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.supervision.mark_stopping().await;
        self.last_call(Order::End).await
    }

    async fn kill(&self) -> VmExit {
        exit(&self.supervision.kill().await)
    }

    fn name(&self) -> &'static str {
        "stub"
    }

    fn vsock_socket(&self) -> &Path {
        &self.vsock_socket
    }

    async fn serial(&self) -> SerialTail {
        self.supervision.serial().await
    }

    fn processes(&self) -> Vec<u32> {
        self.supervision.pid(NAME).into_iter().collect()
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
