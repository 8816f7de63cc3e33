//! A job with a machine that has not run an instruction, and one whose agent has answered the call.

use std::sync::Arc;

use kiln_net::record::EgressRecord;
use tokio::time::Instant;

use super::{
    Host,
    end::guest_failure,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
    taken::Taken,
};
use crate::{
    fault::{Point, at},
    guest::{self, Connection, GuestNetwork, Hello},
    host::cgroup::Cgroup,
    job::{Failure, MachineRecord, Usage},
    registry::{JobLedger, RegistryRecord},
    store::JobHandle,
    vmm::Machine,
};

#[derive(Debug)]
pub(super) struct Created {
    pub(super) taken: Taken,
    pub(super) machine: Box<dyn Machine>,
}

#[derive(Debug)]
pub(super) struct Booted {
    leases: Created,
    connection: Connection,
    since: Option<Instant>,
}

impl Created {
    pub(super) async fn boot(self, host: &Host, job: &JobHandle) -> Result<Booted, Interrupted> {
        let booted_at = Instant::now();
        let boot = async {
            let booted = self.machine.boot().await;
            booted.map_err(|error| Failure::infrastructure("boot", &error))?;
            self.call("boot", host).await
        };
        let called = unless_cancelled(job.cancellation(), boot).await;
        self.or_release(called, job, Some(booted_at)).await
    }

    /// A machine that an earlier kilnd had booted.
    pub(super) async fn rejoin(self, host: &Host, job: &JobHandle) -> Result<Booted, Interrupted> {
        let called = unless_cancelled(job.cancellation(), self.call("adopt", host)).await;
        self.or_release(called, job, None).await
    }

    async fn call(&self, step: &'static str, host: &Host) -> Result<Connection, Failure> {
        let machine = self.machine.as_ref();
        match guest::connect(machine.vsock_socket(), host.limits.boot, machine).await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(guest_failure(step, error, machine).await),
        }
    }

    async fn or_release(
        self,
        called: Result<Connection, Interrupted>,
        job: &JobHandle,
        since: Option<Instant>,
    ) -> Result<Booted, Interrupted> {
        match called {
            Ok(connection) => Ok(Booted { leases: self, connection, since }),
            Err(interrupted) => {
                self.release(job).await;
                Err(interrupted)
            }
        }
    }

    /// Kills the machine, writes down what it used, and gives everything back.
    pub(super) async fn release(self, job: &JobHandle) {
        let Self { taken, machine } = self;
        machine.kill().await;
        at(Point::VmGone);
        if let Some(egress) = taken.egress() {
            // Nothing more can happen on it now.
            job.set_egress(None);
            record_egress(job, &egress.look().await);
        }
        if let Some(ledger) = taken.registry() {
            job.set_ledger(None);
            record_registry(job, ledger);
        }
        let seen = taken.cgroup().map(Cgroup::usage).unwrap_or_default();
        let used = Usage {
            vm_memory_peak_bytes: seen.memory_peak_bytes,
            vm_cpu_time: seen.cpu_time,
            disk_peak_bytes: taken.disks().used_bytes(),
        };
        let used = if taken.is_second() { used.beside(job.snapshot().usage) } else { used };
        job.record_usage(used).detach();
        taken.release(job).await;
    }
}

/// Where it says anything that the job's record does not say yet.
pub(super) fn record_egress(job: &JobHandle, egress: &Arc<EgressRecord>) {
    if job.snapshot().egress.as_ref() != Some(egress) {
        job.record_egress(EgressRecord::clone(egress)).detach();
    }
}

/// Likewise.
pub(super) fn record_registry(job: &JobHandle, ledger: &JobLedger) -> Arc<RegistryRecord> {
    let record = Arc::new(ledger.record());
    if job.snapshot().registry.as_ref() != Some(&record) {
        job.record_registry(Arc::clone(&record)).detach();
    }
    record
}

impl Booted {
    pub(super) async fn greet(self, host: &Host, job: &JobHandle) -> Result<Greeted, Interrupted> {
        let Self { leases, connection, since } = self;
        let hello = Hello {
            hostname: job.id().hostname(),
            secret: job.recovery().guest_secret.reveal(),
            network: leases.taken.egress().and(host.networks.as_ref()).map(|networks| {
                GuestNetwork { registry: host.registry.is_some(), ..networks.link().into() }
            }),
            limit: host.limits.hello,
        };
        let greet = async {
            match connection.hello(hello).await {
                Ok(greeting) => Ok(greeting),
                Err(error) => Err(guest_failure("hello", error, leases.machine.as_ref()).await),
            }
        };
        match unless_cancelled(job.cancellation(), greet).await {
            Ok((guest, hello)) => {
                if let Some(machine) = job.snapshot().machine {
                    let kernel_release = hello.kernel_release;
                    let agent_version = hello.agent_version;
                    job.record_machine(MachineRecord { kernel_release, agent_version, ..machine })
                        .detach();
                }
                Ok(Greeted { leases, guest, booted_at: since })
            }
            Err(interrupted) => {
                leases.release(job).await;
                Err(interrupted)
            }
        }
    }
}
