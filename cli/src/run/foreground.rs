//! A job that one waits for.

use std::pin::pin;

use kiln_proto::v1;

use super::{
    attachment::{Attachment, Broken},
    cancel::cancel,
    ending::Ending,
    lost,
    progress::Progress,
    signals::Signals,
    stdin,
};
use crate::{
    args::RunArguments,
    daemon::Daemon,
    exit_code,
    output::{Output, Stream},
};

pub(super) async fn run(
    daemon: Daemon,
    request: v1::CreateJobRequest,
    arguments: RunArguments,
) -> anyhow::Result<u8> {
    let mut signals = Signals::catch()?;
    let progress = Progress::start(arguments.quiet);
    let mut cancels = 0;
    // A job that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let job = tokio::select! {
        job = daemon.create(request) => job?,
        () = signals.impatience(&mut cancels) => return Ok(exit_code::CANCELLED),
    };
    progress.show(&job);

    let stdout = if arguments.json { Stream::Stderr } else { Stream::Stdout };
    let output = Output::start()?;
    let (pump, requests) =
        Attachment::pump(daemon.clone(), job.id.clone(), output, stdout, progress.clone());
    if arguments.interactive {
        stdin::forward(requests.clone());
    }
    let mut pump = pin!(pump);
    let ending = loop {
        if cancels > 0 {
            break cancel(pump, &daemon, &job.id, &mut signals, &progress).await;
        }
        tokio::select! {
            pumped = &mut pump => break pumped.map(|job| Ending::Ended(Box::new(job))),
            () = signals.next() => cancels += 1,
        }
    };
    let ending = match ending {
        Ok(ending) => ending,
        Err(Broken::Output(error)) => Ending::Output(error),
        Err(Broken::Lost { cause, arrived }) => tokio::select! {
            truth = lost::truth(&daemon, &job.id, cause, arrived) => truth?,
            () = signals.next() => Ending::Left,
        },
    };
    tokio::select! {
        biased;
        code = ending.tell(&daemon, &job.id, arguments.json) => code,
        () = signals.next() => Ok(exit_code::CANCELLED),
    }
}
