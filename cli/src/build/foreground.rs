//! A build that one waits for.

use std::pin::pin;

use anyhow::Context;
use kiln_proto::v1;
use tokio::sync::watch;

use super::{
    ending,
    exports::Exports,
    follow::{Broken, Follower},
    lost, metadata, outputs,
    render::Renderer,
    sources::Sources,
    ssh,
};
use crate::{
    args::BuildArguments,
    daemon::Daemon,
    exit_code,
    output::Output,
    progress::Progress,
    report,
    run::{Egress, Ending, cancel, signals::Signals},
};

pub(super) struct Prepared {
    pub(super) request: v1::CreateBuildRequest,
    pub(super) sources: Sources,
    pub(super) exports: Exports,
    pub(super) agents: ssh::Agents,
    pub(super) egress: Egress,
}

pub(super) async fn run(
    daemon: Daemon,
    prepared: Prepared,
    arguments: BuildArguments,
) -> anyhow::Result<u8> {
    let Prepared { request, sources, exports, agents, egress } = prepared;
    let is_quiet = arguments.quiet;
    let mut signals = Signals::catch()?;
    let progress = Progress::start(is_quiet);
    // Nothing is begun before a build is asked for.
    let request = tokio::select! {
        sent = sources.send(&daemon, request, &progress) => sent?,
        () = signals.next() => return Ok(exit_code::CANCELLED),
    };
    let mut cancels = 0;
    // A build that kilnd has taken on must not be forgotten, so the first wish to cancel waits for
    // its id.
    let id = tokio::select! {
        build = super::create(&daemon, request) => build?.job.id,
        () = signals.impatience(&mut cancels) => return Ok(exit_code::CANCELLED),
    };
    progress.clear();
    let serving = agents.serve(&daemon, &id);

    let renderer = Renderer::new(arguments.progress, is_quiet);
    let is_drawn = renderer.owns_terminal();
    let words = daemon.clone().quietly(is_quiet || is_drawn);
    let (wish, wished) = watch::channel(false);
    let follower = Follower::new(words, id.clone(), Output::start()?, renderer, wished);
    let mut pump = pin!(follower.follow());
    let ending = loop {
        if cancels > 0 {
            // In the window, where there is one: a line beside it would tear it.
            wish.send_replace(true);
            let progress = Progress::start(is_quiet || is_drawn);
            break cancel(pump, &daemon, &id, &mut signals, &progress).await;
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
            error = lost::truth(&daemon, &id, cause, offset) => return Err(error.into()),
            () = signals.next() => (Ending::Left, None),
        },
    };
    let Ending::Ended(mut build) = ending else {
        return tokio::select! {
            biased;
            code = ending.tell(&daemon, &id, arguments.json) => code,
            () = signals.next() => Ok(exit_code::CANCELLED),
        };
    };
    ending::tell(&build, &notes.unwrap_or_default(), is_quiet);
    let fetched = if build.has_completed() && !exports.deliveries.is_empty() {
        let progress = Progress::start(is_quiet);
        progress.say("bringing the outputs here");
        tokio::select! {
            fetched = outputs::fetch(&daemon, &id, &exports.deliveries, &progress) => {
                progress.clear();
                fetched
            }
            () = signals.next() => {
                progress.clear();
                report::error(&format!(
                    "left before all outputs were here; `kiln job outputs {id}` lists them",
                ));
                return Ok(exit_code::CANCELLED);
            }
        }
    } else {
        Ok(())
    };
    let settled = tokio::select! {
        settled = egress.settle(&daemon, &mut build.job, is_quiet) => settled,
        () = signals.next() => return Ok(exit_code::CANCELLED),
    };
    if build.has_completed() {
        if fetched.is_ok() {
            if let Some(path) = &arguments.iidfile {
                metadata::write_id(&build, path)?;
            }
            if let Some(path) = &arguments.metadata_file {
                metadata::write_metadata(&build, path)?;
            }
        }
        if !arguments.json {
            ending::summary(&build, is_quiet)?;
        }
    }
    let code = build.job.exit_code.unwrap_or(exit_code::KILN);
    if arguments.json {
        crate::output::print_json(&build)?;
    }
    fetched.map_err(|error| {
        let hint =
            format!("build {id} has completed; `kiln job download {id} NAME DEST` tries again");
        anyhow::Error::new(error).context(hint)
    })?;
    settled.with_context(|| format!("build {id} has completed"))?;
    Ok(code)
}
