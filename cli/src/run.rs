//! `kiln run`: a job, its streams and its exit code, as if the command ran here.
//!
//! ```text
//! create ──▶ attach ──▶ pump the streams ──▶ final snapshot ──▶ exit code
//!               │              │ Ctrl-C
//!               │              ├──▶ cancel, pump on ──▶ final snapshot ──▶ 130
//!               │              │          └─ again, or 30 s ─▶ leave ──▶ 130
//!               │              ├──▶ nobody reads our stdout ──▶ cancel, leave ──▶ 141
//!               └──────────────┴──▶ the attachment breaks ──▶ ask for the record ──▶ 125
//! ```

mod attachment;
mod cancel;
mod detach;
mod ending;
mod environment;
mod foreground;
mod lost;
mod progress;
mod request;
mod signals;
mod stdin;

use std::path::Path;

use crate::{args::RunArguments, daemon::Daemon};

pub(crate) async fn run(socket: &Path, arguments: RunArguments) -> anyhow::Result<u8> {
    let request = request::from_arguments(&arguments)?;
    let daemon = Daemon::connect(socket).await?;
    if arguments.detach {
        detach::run(&daemon, request, arguments.json).await
    } else {
        foreground::run(daemon, request, arguments).await
    }
}
