//! `kiln job …`.

mod cancel;
mod get;
mod logs;
mod ls;
mod wait;

use std::path::Path;

use crate::{args::JobCommand, daemon::Daemon, report};

pub(crate) async fn dispatch(socket: &Path, command: JobCommand) -> anyhow::Result<u8> {
    let daemon = Daemon::connect(socket).await?;
    match command {
        JobCommand::Ls(arguments) => ls::run(&daemon, arguments).await,
        JobCommand::Get(arguments) => get::run(&daemon, arguments).await,
        JobCommand::Logs(arguments) => logs::run(&daemon, arguments).await,
        JobCommand::Cancel(arguments) => cancel::run(&daemon, arguments).await,
        JobCommand::Wait(arguments) => wait::run(&daemon, arguments).await,
    }
}

/// One of several jobs went wrong, the others still get their turn.
fn complain(id: &str, error: &anyhow::Error) {
    report::error(&format!("{id}: {error:#}"));
}
