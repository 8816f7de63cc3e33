//! From a request to a job that has ended, shown meanwhile.

use kiln_proto::v1;

use super::ending;
use crate::{
    build::lost,
    daemon::Daemon,
    exit_code,
    follow::{Broken, Follower, View},
    progress::Progress,
    record::Job,
    run::{self, Ending, cancel, signals::Signals},
};

#[derive(Debug)]
pub(crate) enum Made {
    /// Why it failed is said.
    Ended(Box<Job>),
    /// The user did not wait: what to exit with.
    Left(u8),
}

pub(crate) async fn make(
    daemon: &Daemon,
    request: v1::CreateJobRequest,
    signals: &mut Signals,
    is_quiet: bool,
) -> anyhow::Result<Made> {
    let progress = Progress::start(is_quiet);
    let mut cancels = 0;
    // A job that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let id = tokio::select! {
        job = run::create(daemon, request) => job?.id,
        () = signals.impatience(&mut cancels) => return Ok(Made::Left(exit_code::CANCELLED)),
    };
    let view = View::Lines(Vec::new());
    let follower = Follower::new(daemon.clone(), id.clone(), progress.clone(), view);
    let mut pump = Box::pin(follower.follow());
    let ending = loop {
        if cancels > 0 {
            break cancel(pump.as_mut(), daemon, &id, signals, &progress).await;
        }
        tokio::select! {
            pumped = &mut pump => break pumped.map(|job| Ending::Ended(Box::new(job))),
            () = signals.next() => cancels += 1,
        }
    };
    progress.clear();
    let ending = match ending {
        Ok(ending) => ending,
        Err(Broken::Output(error)) => Ending::Output(error),
        Err(Broken::Lost { cause, offset }) => tokio::select! {
            error = lost::truth(daemon, &id, cause, offset) => return Err(error.into()),
            () = signals.next() => Ending::Left,
        },
    };
    match ending {
        Ending::Ended(job) => {
            ending::tell(&job);
            Ok(Made::Ended(job))
        }
        ending => tokio::select! {
            biased;
            code = ending.tell(daemon, &id, false) => Ok(Made::Left(code?)),
            () = signals.next() => Ok(Made::Left(exit_code::CANCELLED)),
        },
    }
}
