//! A build that one waits for.

use anyhow::Context;
use kiln_proto::v1;

use super::{
    ending,
    exports::Exports,
    made::{Made, Shown, make},
    metadata, outputs, rootfs,
    sources::Sources,
    ssh,
};
use crate::{
    args::BuildArguments,
    daemon::Daemon,
    exit_code,
    progress::Progress,
    report,
    run::{Egress, signals::Signals},
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
    let shown = Shown { progress: arguments.progress, is_quiet, is_json: arguments.json };
    let made = make(&daemon, request, agents, shown, &mut signals, &progress).await?;
    let mut build = match made {
        Made::Ended(build) => build,
        Made::Left(code) => return Ok(code),
    };
    let id = build.job.id.clone();
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
    if build.has_completed() && !arguments.json {
        ending::summary(&build, is_quiet)?;
    }
    let derived = if build.has_completed() && fetched.is_ok() {
        rootfs::make(&daemon, &mut build, &exports.rootfs, &arguments, &mut signals).await
    } else {
        Ok(exit_code::DONE)
    };
    let settled = tokio::select! {
        settled = egress.settle(&daemon, &mut build.job, is_quiet) => settled,
        () = signals.next() => return Ok(exit_code::CANCELLED),
    };
    let is_whole = build.has_completed() && fetched.is_ok();
    if is_whole && derived.as_ref().is_ok_and(|code| *code == exit_code::DONE) {
        if let Some(path) = &arguments.iidfile {
            metadata::write_id(&build, path)?;
        }
        if let Some(path) = &arguments.metadata_file {
            metadata::write_metadata(&build, path)?;
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
    let of_derived = derived.with_context(|| {
        format!("build {id} has completed; `kiln rootfs --build {id} -o FILE` tries again")
    })?;
    settled.with_context(|| format!("build {id} has completed"))?;
    Ok(if code == exit_code::DONE { of_derived } else { code })
}
