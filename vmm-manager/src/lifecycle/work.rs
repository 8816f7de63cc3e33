//! The work itself: sources in, one command, outputs out.
//!
//! ```text
//!            attach, sources            exec by id, from the log's end
//! greeted ──────────────────▶ `started` ──────────────────────────────▶ over ──▶ `exit` ──▶ outputs
//!                                 ▲                                      │
//!         adopted ────────────────┴── the command is over already ───────┘
//! ```
//!
//! A job that is taken up by a later kilnd comes in at the point that its record names; everything
//! from there on may be asked of the guest again, since the agent knows what it has done.

mod command;
mod control;
mod output;
pub(super) mod refused;
mod sink;

use std::time::SystemTime;

use tokio::time::{sleep, timeout};

pub(super) use self::{command::WorkError, sink::Sink};
use super::{
    Host, boot, build,
    durable::durable,
    finish,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
    outputs, rootfs, sources,
};
use crate::{
    fault::{Point, at},
    job::{CommandEnd, Failure, FailureClass, Outcome, Rootfs, Step, Work},
    log::{Log, LogWriter},
    scheduler::Turn,
    store::{JobHandle, Presence},
    vmm::{Machine, MachineStatus},
};

/// How often a machine is asked whether it stands still.
const LOOK: std::time::Duration = std::time::Duration::from_secs(5);

/// Runs a job whose guest is ready, to the last thing given back.
pub(super) async fn run(host: &Host, job: &JobHandle, greeted: Greeted) -> Turn {
    let outcome = match Sink::open(host, job).await {
        Ok((mut sink, readers)) => {
            job.set_log(readers.clone());
            job.set_build(sink.live());
            job.set_guest(Some(greeted.guest.clone()));
            job.set_egress(greeted.egress().cloned());
            job.set_ledger(greeted.registry().cloned());
            let outcome = watched(host, job, &greeted, &mut sink, &readers).await;
            if let (Some(rootfs), Outcome::Completed) = (rootfs::of(job), &outcome) {
                // What has a machine of its own is large.
                return Box::pin(rootfs::finish(host, job, rootfs, Some(greeted), sink)).await;
            }
            let ended_at = SystemTime::now();
            sink.record(job);
            // Followers come to the end of a log before they hear of the job's.
            let (sealed, used) = tokio::join!(sink.seal(), refused::record(job, &greeted));
            let outcome =
                refused::judged(outcome, &used, (&sink, &readers), job.spec(), ended_at).await;
            match sealed {
                Ok(()) => outcome,
                Err(error) => unsealed(outcome, &error),
            }
        }
        Err(failure) => failure.into(),
    };
    if outcome != Outcome::Completed {
        build::discard(host, job).await;
    }
    at(Point::Sealed);
    finish::with_machine(job, outcome, greeted).await
}

/// Goes on with a root filesystem that an earlier kilnd had from its converter.
pub(super) async fn go_on(host: &Host, job: &JobHandle, rootfs: &Rootfs) -> Turn {
    match Sink::open(host, job).await {
        Ok((sink, readers)) => {
            job.set_log(readers);
            Box::pin(rootfs::finish(host, job, rootfs, None, sink)).await
        }
        Err(failure) => {
            let discard = outputs::discard(host, job);
            if job.snapshot().outputs.is_empty() {
                finish::and_then(job, failure.into(), discard).await
            } else {
                finish::without_machine(job, failure.into()).await
            }
        }
    }
}

/// The log of a job that begins, or the one that an earlier kilnd wrote.
async fn open_log(host: &Host, job: &JobHandle) -> Result<(LogWriter, Log), Failure> {
    let directory = host.home.make_job_directory(job.id());
    let directory = directory.map_err(|error| log_failure(&error))?;
    LogWriter::open(directory, host.log_quota).await.map_err(|error| log_failure(&error))
}

/// Says how long the log is that an earlier kilnd wrote of a job whose machine is gone.
pub(super) async fn close_log(host: &Host, job: &JobHandle) {
    let closed = match open_log(host, job).await {
        Ok((mut log, readers)) => {
            job.set_log(readers);
            log.seal().await.map_err(|error| log_failure(&error))
        }
        Err(failure) => Err(failure),
    };
    if let Err(Failure { message, .. }) = closed {
        tracing::error!(message, "the log of a job that was lost is not closed");
    }
}

/// The work, unless its machine comes to a stand under it.
async fn watched(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    sink: &mut Sink,
    readers: &Log,
) -> Outcome {
    tokio::select! {
        outcome = work(host, job, greeted, sink, readers) => outcome,
        failure = stalled(greeted.machine(), Step::Work) => failure.into(),
    }
}

async fn work(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    sink: &mut Sink,
    readers: &Log,
) -> Outcome {
    match to_the_end(host, job, greeted, sink, readers).await {
        Ok(outcome) => outcome,
        Err(interrupted) => interrupted.into_outcome(),
    }
}

async fn to_the_end(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    sink: &mut Sink,
    readers: &Log,
) -> Result<Outcome, Interrupted> {
    let recovery = job.recovery();
    let end = match recovery.exit {
        Some(end) => end,
        None => {
            if !recovery.started {
                prepare(host, job, greeted).await?;
            }
            let outcome = command::run(host, job, greeted, sink, readers, recovery.started).await?;
            let outcome = match rootfs::of(job) {
                Some(rootfs) => rootfs::explained(rootfs, outcome, readers).await,
                None => outcome,
            };
            at(Point::Exited);
            let end = CommandEnd { outcome };
            if end.outcome == Outcome::Completed {
                durable(job.record_exit(end.clone()), &host.limits).await?;
                at(Point::ExitRecorded);
            }
            end
        }
    };
    if end.outcome == Outcome::Completed {
        let taken = match &job.spec().work {
            Work::Build(build) => build::take_over(host, job, greeted, build).await,
            // Its outputs are on record when what was made has been checked.
            Work::Rootfs(_) => rootfs::take_over(host, job, greeted).await.map(|()| Vec::new()),
            Work::Exec(_) | Work::Boot(_) => outputs::take_over(host, job, greeted).await,
        };
        let records = match taken {
            Ok(records) => records,
            Err(interrupted) => {
                outputs::discard(host, job).await;
                return Err(interrupted);
            }
        };
        if !records.is_empty() {
            durable(job.record_outputs(records), &host.limits).await?;
        }
    }
    Ok(end.outcome)
}

/// Everything before the command, up to the mark that it may have been begun.
async fn prepare(host: &Host, job: &JobHandle, greeted: &Greeted) -> Result<(), Interrupted> {
    attachment(host, job).await?;
    match &job.spec().work {
        Work::Build(build) => build::prepare(host, job, greeted, build).await?,
        Work::Rootfs(_) => {
            rootfs::prepare(host, job, greeted).await?;
            at(Point::Unpacked);
        }
        Work::Boot(asked) => {
            unless_cancelled(job.cancellation(), boot::prepare(host, job, asked)).await?;
            at(Point::Unpacked);
        }
        Work::Exec(_) => {
            sources::unpack(host, job, greeted).await?;
            at(Point::Unpacked);
        }
    }
    durable(job.mark_started(), &host.limits).await?;
    at(Point::Marked);
    Ok(())
}

/// Waits for the client of a job that announced one.
async fn attachment(host: &Host, job: &JobHandle) -> Result<(), Interrupted> {
    if !job.spec().attach {
        return Ok(());
    }
    job.begin_step(Step::Attach).detach();
    let limit = host.limits.attach;
    job.attach_point().expect(limit);
    let arrives = async {
        let mut presence = job.attach_point().watch_presence();
        let arrived = presence.wait_for(|presence| *presence == Presence::Here);
        // The point lives as long as the job.
        timeout(limit, arrived).await.map(drop).map_err(|_| {
            let message = format!("nobody attached to the job within {limit:?} of its start");
            Failure::new(FailureClass::User, message).with("reason", "not_attached")
        })
    };
    unless_cancelled(job.cancellation(), arrives).await
}

/// Resolves when the VMM has stopped its machine by itself, as QEMU does when the host's disk has no
/// room for what the guest writes. The guest can't tell: it stands still.
pub(super) async fn stalled(machine: &dyn Machine, step: Step) -> Failure {
    loop {
        sleep(LOOK).await;
        if let MachineStatus::Stalled(state) = machine.status().await {
            let message = format!(
                "the VMM stopped the machine ({state}); if the host's disk is full, make room and \
                 submit the job again"
            );
            return Failure::new(FailureClass::Infrastructure, message)
                .with("step", step)
                .with("reason", "stalled")
                .with("state", state);
        }
    }
}

pub(super) fn log_failure(error: &(dyn std::error::Error + 'static)) -> Failure {
    let failure = Failure::infrastructure("work", error);
    let message = format!("the job's log could not be written: {}", failure.message);
    Failure { message, ..failure }.with("reason", "log")
}

/// Work that succeeded while its log could not be kept is no success that could be shown.
pub(super) fn unsealed(outcome: Outcome, error: &(dyn std::error::Error + 'static)) -> Outcome {
    match outcome {
        Outcome::Completed => log_failure(error).into(),
        other => other,
    }
}
