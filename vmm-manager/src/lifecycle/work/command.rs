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

use std::{convert::Infallible, time::Duration};

use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{control, output::Delivery, sink::Sink};
use crate::{
    guest::{AgentCode, Command, ExecInput, ExecOutput, GuestError},
    job::{Exec, Failure, FailureClass, Outcome, Phase, Step, Work},
    lifecycle::{
        Host, boot, build,
        end::{EXPLANATION, guest_failure},
        greeted::Greeted,
        interrupt::{Interrupted, cancelled},
        limits::PhaseLimits,
        rootfs,
    },
    log::{AppendError, Log},
    store::JobHandle,
};

/// Longer than any job, and still a time that can be added to now.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

#[derive(Debug)]
pub(in crate::lifecycle) enum WorkError {
    Guest(GuestError),
    Log(AppendError),
    /// A build's guest said what no agent of ours says.
    Events(String),
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
    sink: &mut Sink,
    readers: &Log,
    resumed: bool,
) -> Result<Outcome, Interrupted> {
    job.begin_phase(Phase::Building).detach();
    job.begin_step(Step::Work).detach();
    let mut told = boot::Told::of(job);
    match exchange(host, job, greeted, sink, readers, &mut told, resumed).await {
        Ok(outcome) => Ok(outcome),
        Err(WorkError::Log(error)) => Err(super::log_failure(&error).into()),
        Err(WorkError::Events(what)) => Err(no_events(&what).into()),
        Err(WorkError::Guest(error)) => match (boot::of(job), &error) {
            (None, _) | (Some(_), GuestError::Agent { .. }) => {
                Err(of_guest(error, greeted).await.into())
            }
            (Some(_), _) => Ok(boot::silent(error, greeted.machine(), &told).await?),
        },
    }
}

async fn exchange(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    sink: &mut Sink,
    readers: &Log,
    told: &mut boot::Told,
    resumed: bool,
) -> Result<Outcome, WorkError> {
    let from = sink.end_offset();
    if job.attach_point().is_asked() {
        // Before the first output: whoever is attached, or is on the way back, is to see all of it.
        readers.expect_until(Instant::now() + host.limits.attach);
    }
    let (input, mut from_guest) = tokio::select! {
        asked = ask(host, job, greeted, from, resumed) => asked?,
        // A guest that does not even answer is not asked for more.
        reason = job.cancellation().cancelled() => return Ok(cancelled(reason)),
    };
    let deadline = job.spec().timeout.map_or(FOREVER, |limit| limit + host.limits.overrun);
    let overdue = Instant::now() + deadline;
    let (stdin, reports) = control::stdin();
    let delivery = Delivery { input: input.clone(), reports, job, greeted, told };
    let work = delivery.run(&mut from_guest, sink);
    tokio::pin!(work);
    let client = control::serve(job, &input, stdin, readers, &host.limits);
    let ssh = serve_ssh(job, greeted);
    let reason = tokio::select! {
        outcome = &mut work => return outcome,
        // A command that does not read its stdin must not hold up its output.
        never = client => match never {},
        never = ssh => match never {},
        // What it wrote last is mostly on its way still.
        () = boot::ended(job, greeted.machine()) => {
            let over = timeout(EXPLANATION, work).await;
            return over.unwrap_or_else(|_| Err(WorkError::Guest(boot::gone())));
        }
        () = sleep_until(overdue) => return Ok(Outcome::Timeout),
        reason = job.cancellation().cancelled() => reason,
    };
    // From here on a client that does not read holds nothing up.
    job.attach_point().give_up();
    readers.detach();
    job.begin_step(Step::Stop).detach();
    tokio::select! {
        _ = &mut work => {}
        () = boot::ended(job, greeted.machine()) => drop(timeout(EXPLANATION, &mut work).await),
        () = end_command(&input, job, &host.limits) => {}
    }
    Ok(cancelled(reason))
}

async fn ask(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    output_offset: u64,
    resumed: bool,
) -> Result<(ExecInput, ExecOutput), GuestError> {
    match &job.spec().work {
        Work::Exec(exec) => {
            greeted.guest.exec(request(exec, &host.limits, job, output_offset, resumed)).await
        }
        Work::Build(build) => {
            greeted.guest.build(build::command(host, job, build, output_offset, resumed)).await
        }
        Work::Rootfs(rootfs) => {
            greeted.guest.exec(rootfs::command(host, job, rootfs, output_offset)).await
        }
        Work::Boot(boot) => greeted.guest.boot(boot::command(host, job, boot, output_offset)).await,
    }
}

async fn serve_ssh(job: &JobHandle, greeted: &Greeted) -> Infallible {
    match build::of(job) {
        Some(build) => build::serve_ssh(job, &greeted.guest, build).await,
        None => std::future::pending().await,
    }
}

/// Asks, after the grace insists, and returns when there is nothing more to wait for. Errors mean
/// that the command is gone already, which the output tells.
///
/// A build is not asked: its client takes seconds to do what its end does at once, which is to have
/// the engine kill its steps.
async fn end_command(input: &ExecInput, job: &JobHandle, limits: &PhaseLimits) {
    const SIGTERM: i32 = 15;
    let grace = if boot::of(job).is_some() { boot::grace(limits) } else { limits.grace };
    let insist = async {
        if build::of(job).is_none() {
            let _ = input.signal(SIGTERM).await;
            sleep(grace).await;
        }
        let _ = input.kill().await;
        sleep(limits.kill).await;
    };
    let _ = timeout(grace + 2 * limits.kill, insist).await;
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

fn no_events(what: &str) -> Failure {
    let message = format!(
        "the guest broke its protocol: what it told of the build is no row of events: {what}"
    );
    Failure::new(FailureClass::Policy, message).with("step", "work").with("reason", "events")
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
