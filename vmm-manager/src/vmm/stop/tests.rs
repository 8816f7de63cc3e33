use std::{
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::vmm::{MachineStatus, SerialTail};

/// A machine that comes to its end on one rung, or never.
#[derive(Debug)]
struct Stubborn {
    ends_on: &'static str,
    refuses: bool,
    rungs: Mutex<Vec<&'static str>>,
    ended: AtomicBool,
    end: Notify,
}

impl Stubborn {
    fn rung(&self, name: &'static str) -> Result<(), VmmError> {
        self.rungs.lock().unwrap().push(name);
        if self.ends_on == name {
            self.ended.store(true, Ordering::Relaxed);
            self.end.notify_waiters();
            return Ok(());
        }
        if self.refuses {
            return Err(VmmError::Refused { command: name, reason: "no".into() });
        }
        Ok(())
    }
}

#[async_trait]
impl Machine for Stubborn {
    async fn boot(&self) -> Result<(), VmmError> {
        Ok(())
    }

    async fn status(&self) -> MachineStatus {
        MachineStatus::Running
    }

    async fn wait(&self) -> VmExit {
        let end = self.end.notified();
        if !self.ended.load(Ordering::Relaxed) {
            end.await;
        }
        VmExit::Stopped
    }

    async fn press_power_button(&self) -> Result<(), VmmError> {
        self.rung("power button")
    }

    async fn shut_down(&self) -> Result<(), VmmError> {
        self.rung("shutdown")
    }

    async fn kill(&self) -> VmExit {
        let _ = self.rung("kill");
        self.wait().await
    }

    fn name(&self) -> &'static str {
        "fake"
    }

    fn vsock_socket(&self) -> &Path {
        Path::new("/nowhere")
    }

    async fn serial(&self) -> SerialTail {
        SerialTail::default()
    }

    fn leave(self: Box<Self>) {}
}

async fn check(ends_on: &'static str, refuses: bool, expected: &[&str]) {
    let machine = Stubborn {
        ends_on,
        refuses,
        rungs: Mutex::default(),
        ended: AtomicBool::new(false),
        end: Notify::new(),
    };
    let stopped = stop(&machine, StopLimits::default()).await;
    assert_eq!(*machine.rungs.lock().unwrap(), expected);
    if ends_on == "never" {
        assert!(matches!(stopped, Err(VmmError::Timeout { command: "kill", .. })));
    } else {
        assert_eq!(stopped.unwrap(), VmExit::Stopped);
    }
}

#[tokio::test(start_paused = true)]
async fn each_rung_is_tried_until_one_bears() {
    for refuses in [false, true] {
        check("power button", refuses, &["power button"]).await;
        check("shutdown", refuses, &["power button", "shutdown"]).await;
        check("kill", refuses, &["power button", "shutdown", "kill"]).await;
        check("never", refuses, &["power button", "shutdown", "kill"]).await;
    }
}
