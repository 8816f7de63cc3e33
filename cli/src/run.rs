//! `kiln run`: a job, its streams and its exit code, as if the command ran here.
//!
//! ```text
//! send inputs ──▶ create ──▶ attach ──▶ pump the streams ──▶ final snapshot ──▶ fetch outputs, lockfile ──▶ exit code
//!                    │          │  ▲         │ Ctrl-C
//!                    │          │  │         ├──▶ cancel, pump on ──▶ final snapshot ──▶ 130
//!                    │          │  │         │          └─ again, or 30 s ─▶ leave ──▶ 130
//!                    │          │  │         ├──▶ nobody reads our stdout ──▶ cancel, leave ──▶ 141
//!                    │          │  └─ wait ──┤ kilnd is gone
//!                    └──────────┴────────────┴──▶ for too long, or it refuses ──▶ ask for the record ──▶ 125
//! ```

mod attachment;
mod cancel;
mod detach;
mod disks;
mod egress;
mod ending;
pub(crate) mod environment;
mod foreground;
mod lost;
mod request;
pub(crate) mod signals;
pub(crate) mod stdin;

use std::{path::Path, time::Duration};

use anyhow::Context;
use kiln_proto::v1;

use self::disks::Disks;
pub(crate) use self::{
    cancel::cancel,
    egress::Egress,
    ending::{Ended, Ending},
    request::fresh_key,
};
use crate::{
    args::RunArguments,
    daemon::{Daemon, DaemonError},
    exit_code,
    record::{EgressMode, Job},
    report,
};

pub(crate) async fn run(
    socket: &Path,
    reconnect: Duration,
    arguments: RunArguments,
) -> anyhow::Result<u8> {
    let lockfile = arguments.egress_lock.as_deref();
    let egress = Egress::of(arguments.egress.as_ref(), lockfile, arguments.detach)?;
    let request = request::from_arguments(&arguments, &egress)?;
    let disks = Disks::of(&arguments)?;
    let daemon = Daemon::connect(socket, reconnect).await?.quietly(arguments.quiet);
    if arguments.detach {
        detach::run(&daemon, request, disks, arguments.json, arguments.quiet).await
    } else {
        Box::pin(foreground::run(daemon, request, disks, egress, arguments)).await
    }
}

/// With what to do about a kilnd that did not answer.
pub(crate) async fn create(daemon: &Daemon, request: v1::CreateJobRequest) -> anyhow::Result<Job> {
    let key = request.idempotency_key.clone();
    let asks = request.spec.as_ref().is_some_and(egress::is_asked);
    let created = Box::pin(daemon.create(request)).await;
    if let Err(DaemonError::Away { .. }) = &created {
        return created.with_context(|| {
            format!(
                "whether there is a job is not known: the same with `--idempotency-key {key}` \
                 asks again without running it twice"
            )
        });
    }
    let job = created?;
    if asks && job.spec.egress.mode == EgressMode::None {
        report::error("this kilnd is older than --egress: the command has no network");
    }
    Ok(job)
}

/// At the first signal that means that all should end.
pub(crate) async fn interrupted() -> anyhow::Result<u8> {
    signals::Signals::catch()?.next().await;
    Ok(exit_code::CANCELLED)
}
