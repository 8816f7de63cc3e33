//! One job from its turn to the last thing given back.
//!
//! ```text
//!        number, directory,
//!        cgroup, disks         create          boot           hello
//! turn ────────────────▶ Taken ──────▶ Created ──────▶ Booted ──────▶ Greeted
//!                          │              │               │              │  attach, sources
//!                          └──────────────┴── failed, ────┴──────────────┤
//!                                             cancelled: undo            ▼
//!   kilnd died before `started`: undo, queue again               `started` is durable
//!   kilnd died after it: adopt the VM, greet it again ──────────────────▶│  exec by id, from the
//!                                                                        ▼  log's end on
//!                                    command over ──▶ `exit` is durable ──▶ outputs: pack, ingest
//!                                                                        │
//!        released ◀── directory, cgroup, number ◀── VM gone ◀── end is durable
//! ```
//!
//! A build has more at both ends (`build`): its engine starts beside its sources, and what it exports
//! is pushed and named behind `exit`.
//!
//! A root filesystem has more at both ends too (`rootfs`): its image is fetched before there is a
//! machine, and what was made of it is booted in a second one, behind the first. A machine that boots
//! what it is given (`boot`) ends by itself.
//!
//! Each phase is a type that holds exactly what has been taken from the host by then; moving on
//! consumes it, and a phase that fails or is cancelled gives back what it holds before it says so.
//! *Happy path*: the outcome is published as soon as the last output is the host's; the VM is
//! killed behind the answer, since nothing of it is needed again. *Failure paths*: a guest that
//! falls silent costs the phase's limit; a VMM that dies ends the phase at once; a cancelled job
//! ends only when its VM is gone. kilnd may die between any two lines here (`fault` names the
//! moments): what is on the host is in the record before it is taken, `started` is in the record
//! before the guest hears of the command, and the agent starts a command of one id once. So the
//! next kilnd either proves that nothing ran and begins again, or takes up what runs, or says
//! honestly that it was lost. A panic drops the phase: dropping kills the machine, and what else is
//! left the reconciler removes.

mod adopt;
mod boot;
mod build;
mod created;
mod directory;
mod durable;
mod end;
mod finish;
mod given;
mod greeted;
mod host;
pub(crate) mod interrupt;
mod limits;
mod origin;
mod outputs;
mod rootfs;
mod sources;
mod taken;
mod work;

use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use self::taken::CGROUP_LIMIT;
use self::{given::Purpose, greeted::Greeted, interrupt::Interrupted, taken::Taken};
pub use self::{host::Host, limits::PhaseLimits};
use crate::{
    fault::{Point, at},
    job::Step,
    scheduler::{Runner, Turn},
    store::JobHandle,
};

/// The scheduler's hands.
#[async_trait]
impl Runner for Arc<Host> {
    async fn run(&self, job: Arc<JobHandle>) -> Turn {
        run(self, &job).await
    }

    async fn adopt(&self, job: Arc<JobHandle>) -> Turn {
        adopt::adopt(self, &job).await
    }
}

/// Runs a job that has its turn. When it returns, everything is given back.
async fn run(host: &Host, job: &JobHandle) -> Turn {
    let outcome = match start(host, job).await {
        Ok(greeted) => return work::run(host, job, greeted).await,
        Err(interrupted) => interrupted.into_outcome(),
    };
    finish::without_machine(job, outcome).await
}

async fn start(host: &Host, job: &JobHandle) -> Result<Greeted, Interrupted> {
    at(Point::Begun);
    build::check(host, job)?;
    job.begin_step(Step::Disks).detach();
    let taken = Taken::take(host, job, Purpose::Work).await?;
    let taken = rootfs::fetch(host, job, taken).await?;
    job.begin_step(Step::Vmm).detach();
    let created = taken.create(host, job).await?;
    at(Point::Created);
    job.begin_step(Step::Boot).detach();
    let booted = created.boot(host, job).await?;
    at(Point::Booted);
    job.begin_step(Step::Hello).detach();
    let greeted = booted.greet(host, job).await?;
    at(Point::Greeted);
    Ok(greeted)
}

#[cfg(test)]
mod tests;
