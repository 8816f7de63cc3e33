//! A machine that one waits for.

use super::{source::Source, up};
use crate::{
    args::BootArguments,
    build::lost,
    daemon::Daemon,
    exit_code,
    follow::{Broken, Follower, View},
    output::{self, Output, Stream},
    progress::Progress,
    record::{Job, State},
    report,
    run::{self, Egress, Ending, cancel, signals::Signals},
};
use anyhow::Context;
use kiln_proto::v1;

pub(super) async fn run(
    daemon: Daemon,
    source: Source,
    request: v1::CreateJobRequest,
    egress: Egress,
    arguments: BootArguments,
) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let progress = Progress::start(arguments.quiet);
    // Nothing is begun before a job is asked for.
    let request = tokio::select! {
        sent = source.send(&daemon, request, &progress) => sent?,
        () = signals.next() => return Ok(exit_code::CANCELLED),
    };
    let mut cancels = 0;
    // A job that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let job = tokio::select! {
        job = run::create(&daemon, request) => job?,
        () = signals.impatience(&mut cancels) => return Ok(exit_code::CANCELLED),
    };
    progress.show(&job);

    let stdout = if arguments.json { Stream::Stderr } else { Stream::Stdout };
    let view = View::Console(Output::start()?, stdout);
    let follower = Follower::new(daemon.clone(), job.id.clone(), progress.clone(), view);
    let mut pump = Box::pin(follower.follow());
    let mut up = Box::pin(up::wait(&daemon, &job.id));
    let mut is_enough = false;
    let ending = loop {
        if cancels > 0 {
            break cancel(pump.as_mut(), &daemon, &job.id, &mut signals, &progress).await;
        }
        tokio::select! {
            pumped = &mut pump => break pumped.map(|job| Ending::Ended(Box::new(job))),
            () = signals.next() => cancels += 1,
            waited = &mut up, if arguments.until_up && !is_enough => {
                is_enough = true;
                let ended = match waited {
                    Ok(()) => daemon.cancel(&job.id).await.map(drop),
                    Err(cause) => Err(cause),
                };
                if let Err(cause) = ended {
                    break Ok(Ending::Uncancelled { cause });
                }
            }
        }
    };
    progress.clear();
    let mut ending = match ending {
        Ok(ending) => ending,
        Err(Broken::Output(error)) => Ending::Output(error),
        Err(Broken::Lost { cause, offset }) => tokio::select! {
            error = lost::truth(&daemon, &job.id, cause, offset) => return Err(error.into()),
            () = signals.next() => Ending::Left,
        },
    };
    let settled = match &mut ending {
        Ending::Ended(job) => tokio::select! {
            settled = egress.settle(&daemon, job, arguments.quiet) => settled,
            () = signals.next() => return Ok(exit_code::CANCELLED),
        },
        _ => Ok(()),
    };
    let code = match ending {
        Ending::Ended(job) if arguments.until_up && cancels == 0 => {
            let code = until_up(&job, arguments.quiet);
            if arguments.json {
                output::print_json(&*job)?;
            }
            code
        }
        ending => tokio::select! {
            biased;
            code = ending.tell(&daemon, &job.id, arguments.json) => code?,
            () = signals.next() => exit_code::CANCELLED,
        },
    };
    settled.with_context(|| format!("job {} has ended", job.id))?;
    Ok(code)
}

/// Whatever became of it afterwards, it was up; or else why it was not.
fn until_up(job: &Job, is_quiet: bool) -> u8 {
    if let Some(boot) = job.boot.as_ref().filter(|boot| boot.is_up()) {
        if !is_quiet {
            report::error(&boot.described());
        }
        return exit_code::DONE;
    }
    match (job.state, crate::reason::of(job)) {
        (State::Completed, _) | (_, None) => report::error("it ended before it was up"),
        (_, Some(reason)) => report::error(&format!("it did not come up: {reason}")),
    }
    match job.exit_code {
        Some(code) if code != exit_code::DONE => code,
        Some(_) | None => exit_code::FAILED,
    }
}
