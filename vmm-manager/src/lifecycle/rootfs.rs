//! What a job does beyond others when it makes a root filesystem.
//!
//! ```text
//! taken ─▶ fetch ─▶ created … greeted ─▶ tools ─▶ `started` ─▶ the converter ─▶ `exit`
//!                                                                                 │
//!     the machine is given back ◀── `made` is durable ◀── ingest, digests compared ◀── metadata
//!              │
//!              └─▶ check: a machine that boots it ─▶ given back ─▶ rootfs.json ─▶ outputs ─▶ end
//! ```
//!
//! *Failure paths*: what is fetched fails before there is a machine. The converter's last words are
//! the failure's where it says that the image is at fault. What it says of what it made is compared
//! with what the host counts; where they differ nothing is kept. A kilnd that dies behind `made` does
//! not convert again: the next one ends what is left of the machine, whichever it was, and checks
//! again from the file that is the host's.

mod check;
mod converted;
mod finish;

use std::{path::Path, sync::Arc};

use tokio::time::timeout;

pub(super) use self::{
    converted::{explained, take_over},
    finish::{finish, is_made},
};
use super::{
    Host,
    end::guest_failure,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
    origin,
    taken::Taken,
};
use crate::{
    disk::TOOLS_SERIAL,
    fault::{Point, at},
    guest::{Command, DiskEnd, DiskFormat, Unpack},
    job::{Failure, FailureClass, Phase, Rootfs, RootfsRecord, Step, Work, rootfs::RootfsImage},
    registry::Service,
    rootfs::{
        arguments::{self, TOOLS},
        fetch::{self, Fetched, Target},
    },
    store::JobHandle,
};

/// What a job has to make, if it makes a root filesystem.
pub(super) fn of(job: &JobHandle) -> Option<&Rootfs> {
    match &job.spec().work {
        Work::Rootfs(rootfs) => Some(rootfs),
        Work::Exec(_) | Work::Build(_) | Work::Boot(_) => None,
    }
}

/// Brings its image, unless it is one that was uploaded.
pub(super) async fn fetch(
    host: &Host,
    job: &JobHandle,
    taken: Taken,
) -> Result<Taken, Interrupted> {
    let Some(rootfs) = of(job) else { return Ok(taken) };
    let Some(path) = taken.disks().fetched.clone() else { return Ok(taken) };
    job.begin_phase(Phase::Downloading).detach();
    job.begin_step(Step::Fetch).detach();
    let brought = bring(host, job, rootfs, &path);
    let brought = async {
        let limited = timeout(host.limits.fetch, brought).await;
        limited.map_err(|elapsed| fetch::late(&rootfs.source, &elapsed))?
    };
    match unless_cancelled(job.cancellation(), brought).await {
        Ok(Fetched { digest: image_digest, is_stale }) => {
            // Written before `started` is: a later kilnd does not fetch it any more.
            job.record_rootfs(Arc::new(RootfsRecord { image_digest, is_stale, made: None }))
                .detach();
            job.begin_phase(Phase::Preparing).detach();
            at(Point::Fetched);
            Ok(taken)
        }
        Err(interrupted) => {
            taken.release(job).await;
            Err(interrupted)
        }
    }
}

async fn bring(
    host: &Host,
    job: &JobHandle,
    rootfs: &Rootfs,
    path: &Path,
) -> Result<Fetched, Failure> {
    let target = Target { path, most_bytes: job.spec().fetched_bytes() };
    match &rootfs.source {
        RootfsImage::Upload(_) => Ok(Fetched::default()),
        RootfsImage::Reference(name) => {
            fetch::by_name(registry(host)?, job.owner(), name, &rootfs.platform, target).await
        }
        RootfsImage::Build { build, export } => {
            let record = origin::job(host, job, build).await?;
            let image = crate::rootfs::origin::image(&record, export);
            let image = image.map_err(|error| origin::failure(&error))?;
            fetch::of_build(registry(host)?, job.owner(), build, image, target).await
        }
    }
}

fn registry(host: &Host) -> Result<&Service, Failure> {
    host.registry.as_deref().ok_or_else(|| {
        let message = "this host has no registry, which brings images; start kilnd with one, or \
                       upload the image";
        Failure::new(FailureClass::Infrastructure, message).with("reason", "no_registry")
    })
}

/// The converter and what it puts in. Asked again, the agent says what came of the first time.
pub(super) async fn prepare(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
) -> Result<(), Interrupted> {
    job.begin_step(Step::Source).detach();
    let request = Unpack {
        disk: TOOLS_SERIAL.to_owned(),
        length: host.image.tools.size,
        format: DiskFormat::Tar,
        path: TOOLS.to_owned(),
        silence: host.limits.silence,
        limit: host.limits.source,
    };
    let unpacked = async {
        match greeted.guest.unpack(request).await {
            Ok(DiskEnd::Done { .. }) => Ok(()),
            Ok(DiskEnd::Refused { message, .. }) => {
                let message = format!("the guest image's tools could not be unpacked: {message}");
                Err(Failure::new(FailureClass::Infrastructure, message)
                    .with("step", Step::Source)
                    .with("reason", "tools"))
            }
            Err(error) => Err(guest_failure(Step::Source.name(), error, greeted.machine()).await),
        }
    };
    unless_cancelled(job.cancellation(), unpacked).await
}

/// The same for the first time and for every later one.
pub(super) fn command(
    host: &Host,
    job: &JobHandle,
    rootfs: &Rootfs,
    output_offset: u64,
) -> Command {
    Command {
        memory_bytes: job.spec().memory_bytes,
        timeout: job.spec().timeout,
        id: Some(job.id().to_string()),
        output_offset,
        ..Command::new(arguments::converter(rootfs), host.limits.exec)
    }
}
