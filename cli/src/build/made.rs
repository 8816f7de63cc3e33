//! From a request to a build that has ended, shown meanwhile.

use kiln_proto::v1;
use tokio::sync::watch;

use super::{
    ending,
    follow::{Broken, Follower},
    lost,
    render::Renderer,
    ssh,
};
use crate::{
    args::ProgressMode,
    daemon::Daemon,
    exit_code,
    output::Output,
    progress::Progress,
    record::Build,
    run::{Ending, cancel, signals::Signals},
};

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub(crate) progress: ProgressMode,
    pub(crate) is_quiet: bool,
    pub(crate) is_json: bool,
}

#[derive(Debug)]
pub(crate) enum Made {
    /// All that was to be said of it is said, but for what came of it.
    Ended(Box<Build>),
    /// The user, or who read our words, did not wait: what to exit with.
    Left(u8),
}

pub(crate) async fn make(
    daemon: &Daemon,
    request: v1::CreateBuildRequest,
    agents: ssh::Agents,
    shown: Shown,
    signals: &mut Signals,
    progress: &Progress,
) -> anyhow::Result<Made> {
    let Shown { progress: mode, is_quiet, is_json } = shown;
    let mut cancels = 0;
    // A build that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let id = tokio::select! {
        build = super::create(daemon, request) => build?.job.id,
        () = signals.impatience(&mut cancels) => return Ok(Made::Left(exit_code::CANCELLED)),
    };
    progress.clear();
    let serving = agents.serve(daemon, &id);

    let renderer = Renderer::new(mode, is_quiet);
    let is_drawn = renderer.owns_terminal();
    let words = daemon.clone().quietly(is_quiet || is_drawn);
    let (wish, wished) = watch::channel(false);
    let follower = Follower::new(words, id.clone(), Output::start()?, renderer, wished);
    let mut pump = Box::pin(follower.follow());
    let ending = loop {
        if cancels > 0 {
            // In the window, where there is one: a line beside it would tear it.
            wish.send_replace(true);
            let progress = Progress::start(is_quiet || is_drawn);
            break cancel(pump.as_mut(), daemon, &id, signals, &progress).await;
        }
        tokio::select! {
            pumped = &mut pump => break pumped.map(|ended| Ending::Ended(Box::new(ended))),
            () = signals.next() => cancels += 1,
        }
    };
    drop(serving);
    let (ending, notes) = match ending {
        Ok(ending) => ending.apart(),
        Err(Broken::Output(error)) => (Ending::Output(error), None),
        Err(Broken::Lost { cause, offset }) => tokio::select! {
            error = lost::truth(daemon, &id, cause, offset) => return Err(error.into()),
            () = signals.next() => (Ending::Left, None),
        },
    };
    let Ending::Ended(build) = ending else {
        let code = tokio::select! {
            biased;
            code = ending.tell(daemon, &id, is_json) => code?,
            () = signals.next() => exit_code::CANCELLED,
        };
        return Ok(Made::Left(code));
    };
    ending::tell(&build, &notes.unwrap_or_default(), is_quiet);
    Ok(Made::Ended(build))
}
