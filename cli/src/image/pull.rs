//! `kiln image pull`. It may be asked twice: what has arrived stays.

use kiln_proto::v1::{self, pull_image_response::Event};

use super::transfer::Transfers;
use crate::{
    args::PullArguments,
    daemon::{Daemon, DaemonError},
    display::printable,
    output,
    progress::Progress,
    record::Pulled,
};

pub(super) async fn run(daemon: &Daemon, arguments: PullArguments) -> anyhow::Result<u8> {
    let PullArguments { name, platform, quiet, json } = arguments;
    let daemon = daemon.clone().quietly(quiet);
    let progress = Progress::start(quiet);
    let request = v1::PullImageRequest { reference: name, platform: platform.unwrap_or_default() };
    let pulled = tokio::select! {
        pulled = pull(&daemon, &request, &progress) => pulled?,
        interrupted = crate::run::interrupted() => return interrupted,
    };
    progress.clear();
    if pulled.stale {
        let name = printable(&request.reference);
        progress.notice(&format!(
            "{name} is what was stored: its registry was not asked or did not answer"
        ));
    }
    if json {
        output::print_json(&pulled)?;
    } else {
        output::print_line(&pulled.image.pinned())?;
    }
    Ok(0)
}

/// What has arrived stays, so it goes on where it broke.
pub(crate) async fn pull(
    daemon: &Daemon,
    request: &v1::PullImageRequest,
    progress: &Progress,
) -> Result<Pulled, DaemonError> {
    let mut patience = daemon.patience();
    loop {
        match attempt(daemon, request, progress).await {
            Err(error) => patience.endure(error).await?,
            pulled => return pulled,
        }
    }
}

async fn attempt(
    daemon: &Daemon,
    request: &v1::PullImageRequest,
    progress: &Progress,
) -> Result<Pulled, DaemonError> {
    let doing = format!("pulling {}", printable(&request.reference));
    progress.say(doing.clone());
    let mut answers = daemon.pull_image(request.clone()).await?;
    let mut transfers = Transfers::default();
    loop {
        let answer = answers.message().await.map_err(|status| daemon.error(&status))?;
        let Some(v1::PullImageResponse { event }) = answer else {
            return Err(daemon.cut_short("the pull"));
        };
        match event {
            Some(Event::Transfer(transfer)) => {
                transfers.take(transfer);
                transfers.show(&doing, progress);
            }
            Some(Event::Result(result)) => return Ok(Pulled::from(result)),
            // Of a newer kilnd.
            None => {}
        }
    }
}
