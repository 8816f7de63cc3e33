//! One job from its turn in the queue to the last thing given back.
//!
//! ```text
//!            disks             vmm              boot            hello           attach, work
//! Prepared ────────▶ Created ────────▶ (vsock) ────────▶ Greeted ────────────────────▶ outcome
//!    │                  │                                   │                             │
//!    └──────────────────┴── failed or cancelled: undo ──────┴──▶ released ◀── VM killed ──┘
//! ```
//!
//! Each phase is a type that holds exactly what has been taken from the host by then; moving on
//! consumes it, and a phase that fails or is cancelled gives back what it holds before it says so.
//! *Happy path*: the outcome is published as soon as the command's last byte is on the host; the
//! VM is killed and its directory removed behind the answer, since nothing of it is needed again.
//! *Failure paths*: a guest that falls silent costs the phase's limit; a VMM that dies ends the
//! phase at once; a cancelled job ends only when its VM is gone. A panic drops the phase: dropping
//! kills the processes and hands the directory to a blocking thread.

mod created;
mod directory;
mod end;
mod greeted;
pub(crate) mod interrupt;
mod limits;
mod prepared;
mod work;

use std::sync::Arc;

use kiln_images::GuestImage;

pub use self::limits::PhaseLimits;
use self::{greeted::Greeted, interrupt::Interrupted, prepared::Prepared};
use crate::{
    home::Home,
    job::{Outcome, Phase},
    log::LogWriter,
    store::JobHandle,
    vmm::Vmm,
};

/// What every job of this daemon runs with.
#[derive(Debug)]
pub struct Host {
    pub home: Home,
    pub image: GuestImage,
    pub vmm: Box<dyn Vmm>,
    pub limits: PhaseLimits,
}

/// Runs a job that has its turn. When it returns, everything is given back.
pub async fn run(host: Arc<Host>, job: Arc<JobHandle>, mut log: LogWriter) {
    job.begin_phase(Phase::Preparing);
    match start(&host, &job).await {
        Err(interrupted) => {
            drop(log);
            job.end(interrupted.into_outcome());
        }
        Ok(greeted) => {
            let outcome = work::run(&greeted, &host.limits, &job, &mut log).await;
            // Followers come to the end of a log before they hear of the job's.
            drop(log);
            if outcome == Outcome::Cancelled {
                greeted.release().await;
                job.end(outcome);
            } else {
                job.end(outcome);
                greeted.release().await;
            }
        }
    }
    job.mark_released();
}

async fn start(host: &Host, job: &JobHandle) -> Result<Greeted, Interrupted> {
    job.begin_step("disks");
    let prepared = Prepared::take(host, job).await?;
    job.begin_step("vmm");
    let created = prepared.create(host, job).await?;
    job.begin_step("boot");
    let booted = created.boot(host, job).await?;
    job.begin_step("hello");
    booted.greet(host, job).await
}

#[cfg(test)]
mod tests;
