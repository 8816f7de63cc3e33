//! A job that one waits for.

use std::pin::pin;

use anyhow::Context;
use kiln_proto::v1;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    attachment::{Attachment, Broken, Inputs},
    cancel::cancel,
    disks::Disks,
    egress::Egress,
    ending::Ending,
    lost,
    signals::Signals,
    stdin,
};
use crate::{
    args::RunArguments,
    daemon::Daemon,
    exit_code,
    output::{Output, Stream},
    progress::Progress,
    record::State,
    report,
    terminal::Raw,
};

pub(super) async fn run(
    daemon: Daemon,
    request: v1::CreateJobRequest,
    disks: Disks,
    egress: Egress,
    arguments: RunArguments,
) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let progress = Progress::start(arguments.quiet);
    // Nothing is begun before a job is asked for.
    let request = tokio::select! {
        sent = disks.send(&daemon, request, &progress) => sent?,
        () = signals.next() => return Ok(exit_code::CANCELLED),
    };
    let mut cancels = 0;
    // A job that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let job = tokio::select! {
        job = super::create(&daemon, request) => job?,
        () = signals.impatience(&mut cancels) => return Ok(exit_code::CANCELLED),
    };
    progress.show(&job);

    let stdout =
        if arguments.json || disks.take_stdout() { Stream::Stderr } else { Stream::Stdout };
    let inputs = inputs(&arguments)?;
    // Until this function is left, however that happens, or the job has ended.
    let raw = (arguments.tty && arguments.interactive).then(Raw::enter).transpose()?;
    let output = Output::start()?;
    let attachment =
        Attachment::new(daemon.clone(), job.id.clone(), output, stdout, progress.clone());
    let mut pump = pin!(attachment.pump(inputs));
    let ending = loop {
        if cancels > 0 {
            break cancel(pump, &daemon, &job.id, &mut signals, &progress).await;
        }
        tokio::select! {
            pumped = &mut pump => break pumped.map(|job| Ending::Ended(Box::new(job))),
            () = signals.next() => cancels += 1,
        }
    };
    drop(raw);
    let mut ending = match ending {
        Ok(ending) => ending,
        Err(Broken::Output(error)) => Ending::Output(error),
        Err(Broken::Stdin(error)) => {
            let context = format!("job {} may go on: `kiln job cancel {0}` ends it", job.id);
            return Err(anyhow::Error::new(error).context(context));
        }
        Err(Broken::Lost { cause, arrived }) => tokio::select! {
            truth = lost::truth(&daemon, &job.id, cause, arrived) => truth?,
            () = signals.next() => Ending::Left,
        },
    };
    let fetched = match &ending {
        Ending::Ended(job) if job.state == State::Completed && disks.has_outputs() => {
            let progress = Progress::start(arguments.quiet);
            progress.say("bringing the outputs here");
            tokio::select! {
                fetched = disks.fetch(&daemon, job, &progress) => fetched,
                () = signals.next() => {
                    progress.clear();
                    report::error(&format!(
                        "left before all outputs were here; `kiln job outputs {}` lists them",
                        job.id,
                    ));
                    return Ok(exit_code::CANCELLED);
                }
            }
        }
        _ => Ok(()),
    };
    let settled = match &mut ending {
        Ending::Ended(job) => tokio::select! {
            settled = egress.settle(&daemon, job, arguments.quiet) => settled,
            () = signals.next() => return Ok(exit_code::CANCELLED),
        },
        _ => Ok(()),
    };
    let code = tokio::select! {
        biased;
        code = ending.tell(&daemon, &job.id, arguments.json) => code?,
        () = signals.next() => exit_code::CANCELLED,
    };
    fetched.map_err(|error| {
        let hint =
            format!("job {} has completed; `kiln job download {0} NAME DEST` tries again", job.id);
        anyhow::Error::new(error).context(hint)
    })?;
    settled.with_context(|| format!("job {} has completed", job.id))?;
    Ok(code)
}

fn inputs(arguments: &RunArguments) -> std::io::Result<Inputs> {
    Ok(Inputs {
        stdin: arguments.interactive.then(stdin::read),
        resized: arguments.tty.then(|| signal(SignalKind::window_change())).transpose()?,
        signals: Signals::forwarded()?,
    })
}
