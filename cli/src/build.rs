//! `kiln build`: a Dockerfile's build, as if it ran here.
//!
//! ```text
//! flags, outputs, secrets, egress: all looked at ──▶ contexts sent ──▶ create ──▶ follow the log
//!   ──▶ warnings, or why it failed ──▶ outputs fetched ──▶ lockfile, id, metadata ──▶ exit code
//! ```
//! Signals and a kilnd that goes away are what they are to `kiln run`.

mod ending;
mod exports;
mod follow;
mod foreground;
pub(crate) mod lost;
pub(crate) mod made;
mod metadata;
pub(crate) mod notes;
pub(crate) mod outputs;
pub(crate) mod render;
mod request;
mod rootfs;
mod secrets;
mod sources;
pub(crate) mod ssh;

use std::{path::Path, time::Duration};

use anyhow::Context;
use kiln_proto::v1;

use self::{
    exports::Exports, foreground::Prepared, secrets::Secrets, sources::Sources, ssh::Agents,
};
use crate::{
    args::BuildArguments,
    daemon::{Daemon, DaemonError},
    output,
    progress::Progress,
    record::Build,
    report,
    run::Egress,
};

pub(crate) async fn run(
    socket: &Path,
    reconnect: Duration,
    arguments: BuildArguments,
) -> anyhow::Result<u8> {
    let own = |name: &str| std::env::var_os(name);
    let lockfile = arguments.egress_lock.as_deref();
    let egress = Egress::of(arguments.egress.as_ref(), lockfile, arguments.detach)?;
    let exports = Exports::of(&arguments)?;
    for path in arguments.iidfile.iter().chain(&arguments.metadata_file) {
        metadata::check(path)?;
    }
    let mut secrets = Secrets::read(&arguments.secret, &arguments.ssh, own)?;
    let agents = Agents::new(std::mem::take(&mut secrets.agents));
    if arguments.detach && !agents.is_empty() {
        return Err(secrets::Detached.into());
    }
    let sources = Sources::of(&arguments)?;
    let request =
        request::from_arguments(&arguments, &egress, exports.wire.clone(), &secrets, own)?;
    drop(secrets);
    let daemon = Daemon::connect(socket, reconnect).await?.quietly(arguments.quiet);
    if exports.wire.is_empty() && !arguments.quiet {
        report::error(
            "no output is asked for: what is built is thrown away; -t, -o, --push and --load keep it",
        );
    }
    if arguments.detach {
        return Box::pin(detach(&daemon, request, sources, &arguments)).await;
    }
    let prepared = Prepared { request, sources, exports, agents, egress };
    Box::pin(foreground::run(daemon, prepared, arguments)).await
}

async fn detach(
    daemon: &Daemon,
    request: v1::CreateBuildRequest,
    sources: Sources,
    arguments: &BuildArguments,
) -> anyhow::Result<u8> {
    let progress = Progress::start(arguments.quiet);
    let request = sources.send(daemon, request, &progress).await?;
    let build = create(daemon, request).await?;
    progress.clear();
    if arguments.json {
        output::print_json(&build)?;
    } else {
        output::print(format!("{}\n", build.job.id).as_bytes())?;
    }
    Ok(0)
}

pub(crate) async fn create(
    daemon: &Daemon,
    request: v1::CreateBuildRequest,
) -> anyhow::Result<Build> {
    let key = request.idempotency_key.clone();
    let created = Box::pin(daemon.create_build(request)).await;
    if let Err(DaemonError::Away { .. }) = &created {
        return created.map(Build::from).with_context(|| {
            format!(
                "whether there is a build is not known: the same with `--idempotency-key {key}` \
                 asks again without running it twice"
            )
        });
    }
    Ok(created?.into())
}
