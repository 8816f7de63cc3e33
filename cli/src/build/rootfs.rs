//! `--output type=rootfs`: what is made of a build's images when it has completed.

use kiln_proto::v1::{self, rootfs_spec::Source};

use super::exports::DerivedRootfs;
use crate::{
    args::BuildArguments,
    daemon::Daemon,
    exit_code,
    record::Build,
    rootfs::{self, Made, Resources},
    run::{fresh_key, signals::Signals},
};

/// One after the other, to the first that fails; its code. Their records go into `build`.
pub(super) async fn make(
    daemon: &Daemon,
    build: &mut Build,
    derived: &[DerivedRootfs],
    arguments: &BuildArguments,
    signals: &mut Signals,
) -> anyhow::Result<u8> {
    for DerivedRootfs { export, rootfs, places } in derived {
        let build_id = build.job.id.clone();
        let source = Source::Build(v1::BuiltImageSource { build_id, export: export.clone() });
        let spec = rootfs::spec(&rootfs.options, source, rootfs.platform.as_ref(), &[])?;
        let request = v1::CreateJobRequest {
            project: arguments.project.clone().unwrap_or_default(),
            idempotency_key: fresh_key()?,
            spec: Some(resources(arguments).job(spec)?),
        };
        let job = match rootfs::make(daemon, request, signals, arguments.quiet).await? {
            Made::Ended(job) => job,
            Made::Left(code) => return Ok(code),
        };
        let code = rootfs::deliver(daemon, &job, places, signals, arguments.quiet).await?;
        if !arguments.json && !arguments.quiet {
            rootfs::summary(&job);
        }
        build.root_filesystems.push(*job);
        if code != exit_code::DONE {
            return Ok(code);
        }
    }
    Ok(exit_code::DONE)
}

/// Memory is the engine's matter.
fn resources(arguments: &BuildArguments) -> Resources {
    Resources {
        cpus: arguments.cpus,
        memory: None,
        disk: arguments.disk,
        timeout: arguments.timeout,
    }
}
