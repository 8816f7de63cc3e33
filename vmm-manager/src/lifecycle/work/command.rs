//! The job's command: asked for by id, from the end of the log on.
//!
//! ```text
//! guest ──output──▶ log ──taken──▶ guest        (an attached client reads the log, and is waited for)
//! guest ◀──stdin, sizes, signals── client
//! ```
//!
//! The guest is read only as fast as the log takes its output, so back-pressure reaches the command.
//! A cancelled job stops waiting for its client, asks the command to end, and is over when it has or
//! when its patience is spent; a command past its limit that the guest does not end is ended with
//! its VM.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{control, output::Delivery};
use crate::{
    guest::{AgentCode, Command, ExecInput, GuestError},
    job::{Exec, Failure, FailureClass, Outcome, Phase, Step, Work},
    lifecycle::{
        Host,
        end::guest_failure,
        greeted::Greeted,
        interrupt::{Interrupted, cancelled},
        limits::PhaseLimits,
    },
    log::{AppendError, Log, LogWriter},
    store::JobHandle,
};

/// Longer than any job, and still a time that can be added to now.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[derive(Debug)]
pub(super) enum WorkError {
    Guest(GuestError),
    Log(AppendError),
}

impl From<GuestError> for WorkError {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}

/// Runs the command, or goes on with one that runs already, until it is over.
pub(super) async fn run(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    log: &mut LogWriter,
    readers: &Log,
    resumed: bool,
) -> Result<Outcome, Interrupted> {
    job.begin_phase(Phase::Building).detach();
    job.begin_step(Step::Work).detach();
    match exchange(host, job, greeted, log, readers, resumed).await {
        Ok(outcome) => Ok(outcome),
        Err(WorkError::Log(error)) => Err(super::log_failure(&error).into()),
        Err(WorkError::Guest(error)) => Err(of_guest(error, greeted).await.into()),
    }
}

async fn exchange(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    log: &mut LogWriter,
    readers: &Log,
    resumed: bool,
) -> Result<Outcome, WorkError> {
    let Work::Exec(exec) = &job.spec().work;
    let command = request(exec, &host.limits, job, log.end_offset(), resumed);
    if job.attach_point().is_asked() {
        // Before the first output: whoever is attached, or is on the way back, is to see all of it.
        readers.expect_until(Instant::now() + host.limits.attach);
    }
    let (input, mut from_guest) = tokio::select! {
        asked = greeted.guest.exec(command) => asked?,
        // A guest that does not even answer is not asked for more.
        reason = job.cancellation().cancelled() => return Ok(cancelled(reason)),
    };
    let deadline = job.spec().timeout.map_or(FOREVER, |limit| limit + host.limits.overrun);
    let overdue = Instant::now() + deadline;
    let (stdin, reports) = control::stdin();
    let delivery = Delivery { input: input.clone(), reports, job };
    let work = delivery.run(&mut from_guest, log);
    tokio::pin!(work);
    let client = control::serve(job, &input, stdin, readers, &host.limits);
    let reason = tokio::select! {
        outcome = &mut work => return outcome,
        // A command that does not read its stdin must not hold up its output.
        never = client => match never {},
        () = sleep_until(overdue) => return Ok(Outcome::Timeout),
        reason = job.cancellation().cancelled() => reason,
    };
    // From here on a client that does not read holds nothing up.
    job.attach_point().give_up();
    readers.detach();
    job.begin_step(Step::Stop).detach();
    tokio::select! {
        _ = &mut work => {}
        () = end_command(&input, &host.limits) => {}
    }
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

/// The same for the first time and for every later one: an agent that knows the id goes on.
fn request(
    exec: &Exec,
    limits: &PhaseLimits,
    job: &JobHandle,
    output_offset: u64,
    resumed: bool,
) -> Command {
    Command {
        env: exec.env.clone(),
        workdir: exec.workdir.clone(),
        user: exec.user.clone(),
        stdin: exec.stdin,
        memory_bytes: job.spec().memory_bytes,
        timeout: job.spec().timeout,
        id: Some(job.id().to_string()),
        output_offset,
        // How much an earlier kilnd had sent is not known any more.
        stdin_sent: if resumed { None } else { Some(0) },
        terminal: exec.terminal.map(Into::into),
        ..Command::new(exec.argv.clone(), limits.exec)
    }
}

async fn of_guest(error: GuestError, greeted: &Greeted) -> Failure {
    if let GuestError::Agent { code: AgentCode::FailedPrecondition, message, .. } = &error {
        let message = format!(
            "kilnd was restarted while the job's command ran, and the guest could not go on where \
             the log ends: {message}"
        );
        return Failure::new(FailureClass::Infrastructure, message)
            .with("step", "work")
            .with("reason", "not_resumable");
    }
    guest_failure("work", error, greeted.machine()).await
}
