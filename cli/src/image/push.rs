//! `kiln image push`. It may be asked twice: what the registry has stays there.

use kiln_proto::v1::{self, push_image_response::Event};

use super::transfer::Transfers;
use crate::{
    args::PushArguments,
    daemon::{Daemon, DaemonError},
    display::printable,
    output,
    progress::Progress,
    record::Pushed,
};

pub(super) async fn run(daemon: &Daemon, arguments: PushArguments) -> anyhow::Result<u8> {
    let PushArguments { source, target, quiet, json } = arguments;
    let daemon = daemon.clone().quietly(quiet);
    let progress = Progress::start(quiet);
    let request = v1::PushImageRequest { source, target: target.unwrap_or_default() };
    let pushed = tokio::select! {
        pushed = push(&daemon, &request, &progress) => pushed?,
        interrupted = crate::run::interrupted() => return interrupted,
    };
    progress.clear();
    if json {
        output::print_json(&pushed)?;
    } else {
        output::print_line(&format!("{}@{}", pushed.target, pushed.digest))?;
    }
    Ok(0)
}

async fn push(
    daemon: &Daemon,
    request: &v1::PushImageRequest,
    progress: &Progress,
) -> Result<Pushed, DaemonError> {
    let mut patience = daemon.patience();
    loop {
        match attempt(daemon, request, progress).await {
            Err(error) => patience.endure(error).await?,
            pushed => return pushed,
        }
    }
}

async fn attempt(
    daemon: &Daemon,
    request: &v1::PushImageRequest,
    progress: &Progress,
) -> Result<Pushed, DaemonError> {
    let doing = format!("pushing {}", printable(&request.source));
    progress.say(doing.clone());
    let mut answers = daemon.push_image(request.clone()).await?;
    let mut transfers = Transfers::default();
    loop {
        let answer = answers.message().await.map_err(|status| daemon.error(&status))?;
        let Some(v1::PushImageResponse { event }) = answer else {
            return Err(daemon.cut_short("the push"));
        };
        match event {
            Some(Event::Transfer(transfer)) => {
                transfers.take(transfer);
                transfers.show(&doing, progress);
            }
            Some(Event::Result(result)) => return Ok(Pushed::from(result)),
            // Of a newer kilnd.
            None => {}
        }
    }
}
