//! A job with a machine that has not run an instruction, and one whose agent has answered the call.

use super::{
    Host,
    directory::VmDirectory,
    end::guest_failure,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
};
use crate::{
    guest::{self, Connection, Hello},
    job::{Failure, MachineRecord},
    store::JobHandle,
    vmm::Machine,
};

#[derive(Debug)]
pub(super) struct Created {
    pub(super) directory: VmDirectory,
    pub(super) machine: Box<dyn Machine>,
}

#[derive(Debug)]
pub(super) struct Booted {
    leases: Created,
    connection: Connection,
}

impl Created {
    pub(super) async fn boot(self, host: &Host, job: &JobHandle) -> Result<Booted, Interrupted> {
        let machine = self.machine.as_ref();
        let boot = async {
            machine.boot().await.map_err(|error| Failure::infrastructure("boot", &error))?;
            match guest::connect(machine.vsock_socket(), host.limits.boot, machine).await {
                Ok(connection) => Ok(connection),
                Err(error) => Err(guest_failure("boot", error, machine).await),
            }
        };
        match unless_cancelled(job.cancellation(), boot).await {
            Ok(connection) => Ok(Booted { leases: self, connection }),
            Err(interrupted) => {
                self.release().await;
                Err(interrupted)
            }
        }
    }

    pub(super) async fn release(self) {
        self.machine.kill().await;
        self.directory.release().await;
    }
}

impl Booted {
    pub(super) async fn greet(self, host: &Host, job: &JobHandle) -> Result<Greeted, Interrupted> {
        let Self { leases, connection } = self;
        let hello = Hello { hostname: job.id().hostname(), limit: host.limits.hello };
        let greet = async {
            match connection.hello(hello).await {
                Ok(greeting) => Ok(greeting),
                Err(error) => Err(guest_failure("hello", error, leases.machine.as_ref()).await),
            }
        };
        match unless_cancelled(job.cancellation(), greet).await {
            Ok((guest, hello)) => {
                if let Some(machine) = job.snapshot().machine {
                    job.record_machine(MachineRecord {
                        kernel_release: hello.kernel_release,
                        agent_version: hello.agent_version,
                        ..machine
                    });
                }
                Ok(Greeted { leases, guest })
            }
            Err(interrupted) => {
                leases.release().await;
                Err(interrupted)
            }
        }
    }
}
