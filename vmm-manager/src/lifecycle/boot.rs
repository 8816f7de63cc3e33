//! A machine that becomes a root filesystem of its own.
//!
//! ```text
//! greeted ─▶ `started` ─▶ process 1 becomes the init ─▶ up ─▶ its command ends: its status
//!                              └──console──▶ log         └──▶ it powers itself off: no status
//! ```
//!
//! *Failure paths*: a machine that resets itself, as a kernel in panic does, fails as its user's; what
//! befalls it from outside is the host's, as with any other. A machine that powers itself off has
//! completed, unless its init is Kiln's own: that one tells how its command ended before it does, and
//! where nobody was there to hear it in time, whether the command did its work is not known.

use std::{sync::Arc, time::Duration};

use super::{Host, end, greeted::Greeted, limits::PhaseLimits, origin};
use crate::{
    disk::BOOT_SERIAL,
    guest::{BootCommand, BootUp, ExecExit, ExecStatus, GuestError},
    job::{
        Boot, BootRecord, BootSource, ExitStatus, Failure, FailureClass, Outcome, Up, UpBy, Work,
    },
    store::JobHandle,
    vmm::{Machine, VmExit},
};

/// Kiln's own init, in the roots that it makes.
const OWN_INIT: &str = "/.kiln/init";

/// What a job is to boot, if that is its work.
pub(super) fn of(job: &JobHandle) -> Option<&Boot> {
    match &job.spec().work {
        Work::Boot(boot) => Some(boot),
        Work::Exec(_) | Work::Build(_) | Work::Rootfs(_) => None,
    }
}

/// Looks up what process 1 is to become, once: what it was made with may be forgotten while it runs.
/// Durable before `started` is, which is asked for next.
pub(super) async fn prepare(host: &Host, job: &JobHandle, boot: &Boot) -> Result<(), Failure> {
    let init = init(host, job, boot).await?;
    job.record_boot(Arc::new(BootRecord { init, ..BootRecord::default() })).detach();
    Ok(())
}

/// The same for the first time and for every later one.
pub(super) fn command(
    host: &Host,
    job: &JobHandle,
    boot: &Boot,
    output_offset: u64,
) -> BootCommand {
    let Told(BootRecord { init, .. }) = Told::of(job);
    BootCommand {
        id: job.id().to_string(),
        output_offset,
        timeout: job.spec().timeout,
        start_limit: host.limits.exec,
        disk: BOOT_SERIAL.to_owned(),
        init,
        arguments: boot.arguments.clone(),
        probe: boot.probe.clone(),
    }
}

/// What was asked for; else what a converter of ours says its kernel has to be told.
async fn init(host: &Host, job: &JobHandle, boot: &Boot) -> Result<String, Failure> {
    match &boot.source {
        BootSource::Artifact { job: other, .. } if boot.init.is_empty() => {
            let record = origin::job(host, job, other).await?.rootfs;
            let made = record.as_ref().and_then(|record| record.made.as_ref());
            Ok(made.map(|made| made.converted.init().to_owned()).unwrap_or_default())
        }
        BootSource::Artifact { .. } | BootSource::Upload(_) => Ok(boot.init.clone()),
    }
}

/// With how long it took, of a machine that this kilnd has booted.
pub(super) fn up(greeted: &Greeted, BootUp { degraded, by }: BootUp) -> Up {
    Up { degraded, by, after: greeted.booted_at.map(|at| at.elapsed()) }
}

/// What has become of it so far: what is asked for to be on record may not be there yet.
#[derive(Debug)]
pub(super) struct Told(BootRecord);

impl Told {
    pub(super) fn of(job: &JobHandle) -> Self {
        Self(job.snapshot().boot.map(Arc::unwrap_or_clone).unwrap_or_default())
    }

    /// On each stream it is said again: the first time counts.
    pub(super) fn came_up(&mut self, job: &JobHandle, up: Up) {
        if self.0.up.is_none() {
            self.0.up = Some(up);
            job.record_boot(Arc::new(self.0.clone())).detach();
        }
    }

    /// Its init has told the end of its command.
    pub(super) fn exited(&mut self, job: &JobHandle, exit: &ExecExit) {
        if !exit.timed_out {
            self.0.exit = Some(status(exit));
            job.record_boot(Arc::new(self.0.clone())).detach();
        }
    }
}

pub(super) fn status(exit: &ExecExit) -> ExitStatus {
    match exit.status {
        ExecStatus::Code(code) => ExitStatus::code(code),
        ExecStatus::Signal(signal) => ExitStatus::signal(signal),
    }
}

/// A machine that has ended says nothing more, though nobody has closed its stream.
pub(super) fn gone() -> GuestError {
    GuestError::Silent { phase: "boot", limit: end::EXPLANATION }
}

/// Resolves with the end of a machine that ends by itself.
pub(super) async fn ended(job: &JobHandle, machine: &dyn Machine) {
    match of(job) {
        Some(_) => drop(machine.wait().await),
        None => std::future::pending().await,
    }
}

/// What it means that the guest is not heard any more: mostly that the machine has ended.
pub(super) async fn silent(
    error: GuestError,
    machine: &dyn Machine,
    Told(record): &Told,
) -> Result<Outcome, Failure> {
    let error = error.explained_by(machine, end::EXPLANATION).await;
    match &error {
        GuestError::MachineExited { exit: VmExit::PoweredOff, .. } => Ok(powered_off(record)),
        GuestError::MachineExited { exit: VmExit::Reset, .. } => {
            let message = format!("it did not end well: {error}");
            Err(Failure::new(FailureClass::User, message)
                .with("step", "work")
                .with("reason", "reset"))
        }
        _ => Err(end::guest_failure("work", error, machine).await),
    }
}

/// How a machine ended that no kilnd was there for.
pub(super) fn ended_alone(job: &JobHandle, exit: &VmExit) -> Option<Outcome> {
    let Told(record) = Told::of(job);
    (of(job).is_some() && exit.is_power_off()).then(|| powered_off(&record))
}

fn powered_off(record: &BootRecord) -> Outcome {
    match record.exit {
        Some(exit) if !exit.is_success() => {
            let message = format!("the command {}", end::ended(exit));
            Outcome::Failed { failure: Failure::new(FailureClass::User, message), exit: Some(exit) }
        }
        None if tells(record) => {
            let message = "the machine powered itself off, and how its command ended was not heard \
                           in the time that its init waits for it: whether the command did its \
                           work is not known";
            Failure::new(FailureClass::Infrastructure, message)
                .with("step", "work")
                .with("reason", "status_lost")
                .into()
        }
        Some(_) | None => Outcome::Completed,
    }
}

/// Whether process 1 says how its command ended, as Kiln's own does, as far as is known: a probe hides
/// what it is.
fn tells(record: &BootRecord) -> bool {
    match record.up.map(|up| up.by) {
        Some(UpBy::Init) => true,
        Some(UpBy::Systemd | UpBy::Started) => false,
        Some(UpBy::Command | UpBy::Port) | None => record.init == OWN_INIT,
    }
}

/// An init is given time to end its own: longer than it takes of its own accord.
pub(super) fn grace(limits: &PhaseLimits) -> Duration {
    2 * limits.grace
}
