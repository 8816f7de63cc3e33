//! A job with a guest that is ready to work.

use std::sync::Arc;

use tokio::time::Instant;

use super::created::Created;
use crate::{
    disk::Disks, guest::Guest, network::EgressView, registry::JobLedger, store::JobHandle,
    vmm::Machine,
};

#[derive(Debug)]
pub(super) struct Greeted {
    pub(super) leases: Created,
    pub(super) guest: Guest,
    /// When this kilnd booted its machine, if it did.
    pub(super) booted_at: Option<Instant>,
}

impl Greeted {
    pub(super) fn machine(&self) -> &dyn Machine {
        self.leases.machine.as_ref()
    }

    pub(super) fn egress(&self) -> Option<&Arc<EgressView>> {
        self.leases.taken.egress()
    }

    pub(super) fn registry(&self) -> Option<&Arc<JobLedger>> {
        self.leases.taken.registry()
    }

    pub(super) fn disks(&self) -> &Disks {
        self.leases.taken.disks()
    }

    /// Kills the VM, which has nothing left to say, and gives everything back.
    pub(super) async fn release(self, job: &JobHandle) {
        // A clone that a shell holds would keep the connection, not the VM.
        job.set_guest(None);
        drop(self.guest);
        self.leases.release(job).await;
    }
    /// Lets go of a VM that runs on for the next daemon.
    pub(super) fn leave(self, job: &JobHandle) {
        job.set_guest(None);
        job.set_egress(None);
        job.set_ledger(None);
        if let Some(ledger) = self.registry() {
            ledger.write_down();
        }
        let Self { leases: Created { taken: _its_own_still, machine }, guest: _, booted_at: _ } =
            self;
        machine.leave();
    }
}
