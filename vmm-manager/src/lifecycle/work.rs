//! The work itself: one command in the guest, its streams carried to the log and the attachment.
//!
//! ```text
//! guest ──output──▶ log ──▶ attachment (waits while the client does not read)
//! guest ◀──stdin─── attachment
//! ```
//!
//! The guest is read only as fast as log and attachment take its output, so back-pressure reaches
//! the command. A cancelled job stops waiting for its client, asks the command to end, and is over
//! when it has or when its patience is spent; a command past its limit that the guest does not end
//! is ended with its VM.

mod attached;
mod output;

use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};

use self::{
    attached::Attached,
    output::{Delivery, WorkError},
};
use super::{
    end,
    greeted::Greeted,
    interrupt::{Interrupted, cancelled, unless_cancelled},
    limits::PhaseLimits,
};
use crate::{
    guest::{Command, ExecInput},
    job::{Exec, Failure, FailureClass, Outcome, Phase, Work},
    log::LogWriter,
    store::{AttachmentEnds, JobHandle},
};

/// Longer than any job, and still a time that can be added to now.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) async fn run(
    greeted: &Greeted,
    limits: &PhaseLimits,
    job: &JobHandle,
    log: &mut LogWriter,
) -> Outcome {
    let ends = match attachment(limits, job).await {
        Ok(ends) => ends,
        Err(interrupted) => return interrupted.into_outcome(),
    };
    job.begin_phase(Phase::Building);
    job.begin_step("work");
    let Work::Exec(exec) = &job.spec().work;
    match command(exec, greeted, limits, job, log, ends).await {
        Ok(outcome) => outcome,
        Err(WorkError::Log(error)) => {
            let failure = Failure::infrastructure("work", &error);
            let message = format!("the job's log could not be written: {}", failure.message);
            Failure { message, ..failure }.into()
        }
        Err(WorkError::Guest(error)) => {
            end::guest_failure("work", error, greeted.machine()).await.into()
        }
    }
}

/// Waits for the client of a job that announced one.
async fn attachment(
    limits: &PhaseLimits,
    job: &JobHandle,
) -> Result<Option<AttachmentEnds>, Interrupted> {
    let Some(arrival) = job.attachment() else { return Ok(None) };
    job.begin_step("attach");
    let arrives = async {
        match timeout(limits.attach, arrival).await {
            Ok(Ok(ends)) => Ok(Some(ends)),
            Ok(Err(_)) | Err(_) => Err(Failure::new(
                FailureClass::User,
                format!("nobody attached to the job within {:?} of its start", limits.attach),
            )
            .with("reason", "not_attached")),
        }
    };
    unless_cancelled(job.cancellation(), arrives).await
}

async fn command(
    exec: &Exec,
    greeted: &Greeted,
    limits: &PhaseLimits,
    job: &JobHandle,
    log: &mut LogWriter,
    ends: Option<AttachmentEnds>,
) -> Result<Outcome, WorkError> {
    let (input, mut from_guest) = greeted.guest.exec(request(exec, limits, job)).await?;
    let attached = ends.map(|ends| Attached::new(ends, input.clone(), exec.stdin));
    let overdue =
        Instant::now() + job.spec().timeout.map_or(FOREVER, |limit| limit + limits.overrun);
    let delivery = Delivery::new(attached);
    let detach = delivery.detacher();
    let work = delivery.run(&mut from_guest, log, job);
    tokio::pin!(work);
    let reason = tokio::select! {
        outcome = &mut work => return outcome,
        () = sleep_until(overdue) => return Ok(Outcome::Timeout),
        reason = job.cancellation().cancelled() => reason,
    };
    // From here on a client that does not read holds nothing up for long.
    detach.cancel();
    job.begin_step("stop");
    let ended = async {
        tokio::select! {
            _ = &mut work => {}
            () = end_command(&input, limits) => {}
        }
    };
    ended.await;
    Ok(cancelled(reason))
}

/// Asks, after the grace insists, and returns when there is nothing more to wait for. Errors mean
/// that the command is gone already, which the output tells.
async fn end_command(input: &ExecInput, limits: &PhaseLimits) {
    const SIGTERM: i32 = 15;
    let insist = async {
        let _ = input.signal(SIGTERM).await;
        sleep(limits.grace).await;
        let _ = input.kill().await;
        sleep(limits.kill).await;
    };
    let _ = timeout(limits.grace + 2 * limits.kill, insist).await;
}

fn request(exec: &Exec, limits: &PhaseLimits, job: &JobHandle) -> Command {
    Command {
        argv: exec.argv.clone(),
        env: exec.env.clone(),
        workdir: exec.workdir.clone(),
        user: exec.user.clone(),
        stdin: exec.stdin,
        memory_bytes: job.spec().memory_bytes,
        pids: 0,
        timeout: job.spec().timeout,
        start_limit: limits.exec,
    }
}
