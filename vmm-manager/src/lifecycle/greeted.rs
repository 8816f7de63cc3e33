//! A job with a guest that is ready to work.

use super::created::Created;
use crate::{guest::Guest, vmm::Machine};

#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) leases: Created,
    pub(super) guest: Guest,
}

impl Greeted {
    pub(super) fn machine(&self) -> &dyn Machine {
        self.leases.machine.as_ref()
    }

    /// Kills the VM, which has nothing left to say, and gives everything back.
    pub(super) async fn release(self) {
        drop(self.guest);
        self.leases.release().await;
    }
}
