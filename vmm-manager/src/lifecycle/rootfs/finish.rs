//! From what the converter has made to the job's end: the machine is given back, what was made is
//! booted, and what is said of it is written.

use std::{fs, io, path::PathBuf, sync::Arc};

use tokio::task::spawn_blocking;

use super::check::check;
use crate::{
    fault::{Point, at},
    job::{
        BootRecord, Failure, FailureClass, Outcome, OutputRecord, Rootfs, RootfsRecord, Step,
        rootfs::{METADATA, MadeRootfs, ROOTFS, Skipped},
    },
    lifecycle::{
        Host,
        durable::durable,
        finish,
        greeted::Greeted,
        interrupt::Interrupted,
        outputs,
        work::{Sink, refused, unsealed},
    },
    output,
    rootfs::metadata,
    scheduler::Turn,
    store::JobHandle,
};

/// What the converter said, beside the outputs until the job's own metadata is made of it.
pub(super) const SAID: &str = "converted";
/// What it is made in.
const DRAFT: &str = "draft";

/// Whether what a job had to convert is the host's: its machine is not needed any more.
pub(in crate::lifecycle) fn is_made(job: &JobHandle) -> bool {
    job.snapshot().rootfs.is_some_and(|record| record.made.is_some())
}

/// `greeted` is the machine that made it, unless an earlier kilnd has given it back.
pub(in crate::lifecycle) async fn finish(
    host: &Host,
    job: &JobHandle,
    rootfs: &Rootfs,
    greeted: Option<Greeted>,
    mut sink: Sink,
) -> Turn {
    if let Some(greeted) = greeted {
        refused::record(job, &greeted).await;
        greeted.release(job).await;
    }
    let (outcome, is_promised) = match to_the_end(host, job, rootfs, &mut sink).await {
        Ok(outputs) => match promise(host, job, outputs).await {
            Ok(()) => (Outcome::Completed, true),
            // The record is written when it can be.
            Err(failure) => (failure.into(), true),
        },
        Err(interrupted) => (interrupted.into_outcome(), false),
    };
    let outcome = match sink.seal().await {
        Ok(()) => outcome,
        Err(error) => unsealed(outcome, &error),
    };
    at(Point::Sealed);
    if is_promised {
        remove(host, job).await;
        finish::without_machine(job, outcome).await
    } else {
        finish::and_then(job, outcome, outputs::discard(host, job)).await
    }
}

async fn promise(host: &Host, job: &JobHandle, outputs: Vec<OutputRecord>) -> Result<(), Failure> {
    if outputs.is_empty() {
        // An earlier kilnd has done so.
        return Ok(());
    }
    durable(job.record_outputs(outputs), &host.limits).await
}

/// Answers what there is to promise; nothing where an earlier kilnd has promised it.
async fn to_the_end(
    host: &Host,
    job: &JobHandle,
    rootfs: &Rootfs,
    sink: &mut Sink,
) -> Result<Vec<OutputRecord>, Interrupted> {
    let snapshot = job.snapshot();
    if !snapshot.outputs.is_empty() {
        return Ok(Vec::new());
    }
    let record = snapshot.rootfs.ok_or_else(unmade)?;
    let made = record.made.as_ref().ok_or_else(unmade)?;
    let boot = match &rootfs.check {
        Some(asked) => check(host, job, asked, made, sink).await?,
        None => BootRecord {
            skipped: Some(rootfs.unbootable().unwrap_or(Skipped::Off)),
            ..BootRecord::default()
        },
    };
    durable(job.record_boot(Arc::new(boot.clone())), &host.limits).await?;
    at(Point::Checked);
    job.begin_step(Step::Publish).detach();
    let metadata = write(host, job, rootfs, &record, made, &boot).await?;
    let MadeRootfs { digest, size_bytes, converted: _ } = made.clone();
    let root = OutputRecord { name: ROOTFS.to_owned(), size_bytes, digest, expired: false };
    Ok(vec![root, metadata])
}

async fn write(
    host: &Host,
    job: &JobHandle,
    rootfs: &Rootfs,
    record: &RootfsRecord,
    made: &MadeRootfs,
    boot: &BootRecord,
) -> Result<OutputRecord, Failure> {
    let failed =
        |error: &(dyn std::error::Error + 'static)| Failure::infrastructure(Step::Publish, error);
    let path = |name| host.outputs.path(job.id(), name);
    let (said, draft) = (path(SAID), path(DRAFT));
    let said = tokio::fs::read(said).await.map_err(|error| failed(&error))?;
    let json = metadata::document(rootfs, record, made, boot, &said);
    let json = json.map_err(|error| failed(&error))?;
    let length = json.len() as u64;
    tokio::fs::write(&draft, json).await.map_err(|error| failed(&error))?;
    // Whole, or not at all, and hashed as any other.
    let kept = output::ingest(&draft, length, &path(METADATA)).await;
    kept.map_err(|error| failed(&error))
}

/// Nobody has been promised them. An earlier kilnd may have come to it.
async fn remove(host: &Host, job: &JobHandle) {
    let paths = [SAID, DRAFT].map(|name| host.outputs.path(job.id(), name));
    let gone = |path: &PathBuf| match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    };
    let removed = spawn_blocking(move || paths.iter().try_for_each(gone)).await;
    if let Err(error) = removed.map_err(io::Error::other).and_then(|removed| removed) {
        tracing::warn!(job = %job.id(), %error, "what a converter said is left behind");
    }
}

fn unmade() -> Failure {
    let message = "there is no record of what the job has made";
    Failure::new(FailureClass::Infrastructure, message).with("step", Step::Publish)
}
