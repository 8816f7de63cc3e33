//! `kiln job …`.

mod artifacts;
mod cancel;
mod download;
mod get;
mod logs;
mod ls;
mod outputs;
mod wait;

use crate::{args::JobCommand, daemon::Daemon, report};

pub(crate) async fn dispatch(daemon: &Daemon, command: JobCommand) -> anyhow::Result<u8> {
    match command {
        JobCommand::Ls(arguments) => ls::run(daemon, arguments).await,
        JobCommand::Get(arguments) => get::run(daemon, arguments).await,
        JobCommand::Logs(arguments) => logs::run(daemon, arguments).await,
        JobCommand::Outputs(arguments) => outputs::run(daemon, arguments).await,
        JobCommand::Download(arguments) => download::run(daemon, arguments).await,
        JobCommand::Cancel(arguments) => cancel::run(daemon, arguments).await,
        JobCommand::Wait(arguments) => wait::run(daemon, arguments).await,
    }
}

/// One of several jobs went wrong, the others still get their turn.
fn complain(id: &str, error: &anyhow::Error) {
    report::error(&format!("{id}: {error:#}"));
}
