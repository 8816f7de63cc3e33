//! Powering off: by the host's word, by the power button, and when boot has failed.

mod button;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rustix::system::{RebootCommand, reboot};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

pub(crate) use self::button::watch_button;
use crate::{kmsg, offload::offload};

/// How long the answers of what was killed get to leave.
const ANSWERS_LIMIT: Duration = Duration::from_millis(100);
/// A frozen file system never comes to an end.
const SYNC_LIMIT: Duration = Duration::from_secs(3);

/// Whoever holds it may switch the guest off; once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Power {
    asked: Arc<Asked>,
}

#[derive(Debug, Default)]
struct Asked {
    off: AtomicBool,
    /// Somebody else of the guest listens to the button.
    button_left: AtomicBool,
    /// Wakes `asked`, also when it was asked before.
    notify: Notify,
}

impl Power {
    pub(crate) fn off(&self) {
        self.asked.off.store(true, Ordering::Release);
        self.asked.notify.notify_one();
    }

    /// The button is another's from here on.
    pub(crate) fn leave_button(&self) {
        self.asked.button_left.store(true, Ordering::Release);
    }

    fn pressed(&self) {
        if !self.asked.button_left.load(Ordering::Acquire) {
            self.off();
        }
    }

    pub(crate) fn is_going_off(&self) -> bool {
        self.asked.off.load(Ordering::Acquire)
    }

    /// Resolves when it is time; once.
    ///
    /// # Cancel safety
    /// Safe.
    pub(crate) async fn asked(&self) {
        self.asked.notify.notified().await;
    }

    /// Kills what runs, syncs and powers the guest off, when it is time.
    pub(crate) async fn switch_off_when_asked(self) {
        self.asked().await;
        kill_everything();
        sleep(ANSWERS_LIMIT).await;
        let synced = timeout(SYNC_LIMIT, offload("sync", rustix::fs::sync)).await;
        if !matches!(synced, Ok(Ok(()))) {
            kmsg::error(format_args!("powering off without a complete sync"));
        }
        power_off();
    }
}

/// Ends the guest now. The kernel does it from any thread, in any state of the disks.
pub(crate) fn power_off() -> ! {
    loop {
        if let Err(errno) = reboot(RebootCommand::PowerOff) {
            kmsg::emergency(format_args!("the guest cannot be powered off: {errno}"));
        }
        // A process 1 that returns is a panic of the kernel; the host has its own limits.
        thread::sleep(Duration::from_secs(1));
    }
}

/// Every process but this one and process 1: commands, and what has slipped out of their groups.
fn kill_everything() {
    // SAFETY: plain integers. The signal reaches neither its sender nor process 1. It fails when there
    // is nobody to kill.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}
