//! The job's outputs on their way from the guest to the host, after work that succeeded.
//!
//! The guest writes a row of bytes to a disk and says how long it is; the host copies so many bytes,
//! hashes them itself, and never looks at what they mean.

use std::io;

use tokio::{task::spawn_blocking, time::timeout};

use super::{
    Host, build,
    end::guest_failure,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
};
use crate::{
    disk::output_serial,
    fault::{Point, at},
    guest::{DiskEnd, DiskRefusal, Pack},
    job::{Failure, FailureClass, OutputDisk, OutputRecord, Phase, Step},
    output,
    store::JobHandle,
};

pub(super) async fn take_over(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
) -> Result<Vec<OutputRecord>, Interrupted> {
    let outputs = &job.spec().outputs;
    if outputs.is_empty() {
        return Ok(Vec::new());
    }
    job.begin_phase(Phase::Packaging).detach();
    let lengths = pack_all(host, job, greeted).await?;
    job.begin_step(Step::Ingest).detach();
    let mut records = Vec::with_capacity(outputs.len());
    for (index, (output, length)) in outputs.iter().zip(lengths).enumerate() {
        let taken = ingest(host, job, greeted, index, output, length);
        records.push(unless_cancelled(job.cancellation(), taken).await?);
        at(Point::Ingested);
    }
    Ok(records)
}

/// How long each of them is.
pub(super) async fn pack_all(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
) -> Result<Vec<u64>, Interrupted> {
    job.begin_step(Step::Pack).detach();
    let outputs = &job.spec().outputs;
    let mut lengths = Vec::with_capacity(outputs.len());
    for (index, output) in outputs.iter().enumerate() {
        let packed = pack(host, greeted, index, output);
        lengths.push(unless_cancelled(job.cancellation(), packed).await?);
        at(Point::Packed);
    }
    Ok(lengths)
}

/// Removes what was taken over of a job's outputs when not all of them were: no record speaks of it,
/// so retention neither counts it nor lets it expire.
pub(super) async fn discard(host: &Host, job: &JobHandle) {
    build::discard(host, job).await;
    if job.spec().outputs.is_empty() {
        return;
    }
    let (outputs, id) = (host.outputs.clone(), job.id().clone());
    let removed = spawn_blocking(move || outputs.remove(&id)).await.map_err(io::Error::other);
    if let Err(error) = removed.and_then(|removed| removed) {
        tracing::error!(%error, "outputs that nobody was promised are left behind");
    }
}

pub(super) async fn pack(
    host: &Host,
    greeted: &Greeted,
    index: usize,
    output: &OutputDisk,
) -> Result<u64, Failure> {
    let request = Pack {
        disk: output_serial(index),
        disk_bytes: output.max_bytes,
        format: output.format.into(),
        path: output.path.clone(),
        silence: host.limits.silence,
        limit: host.limits.pack,
    };
    match greeted.guest.pack(request).await {
        Ok(DiskEnd::Done { length }) => Ok(length),
        Ok(DiskEnd::Refused { reason, message }) => Err(refused(reason, &message, output)),
        Err(error) => Err(guest_failure("pack", error, greeted.machine()).await),
    }
}

pub(super) async fn ingest(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    index: usize,
    output: &OutputDisk,
    length: u64,
) -> Result<OutputRecord, Failure> {
    let disk = &greeted.disks().outputs[index];
    let target = host.outputs.path(job.id(), &output.name);
    let taken = output::ingest(disk, length, &target);
    match timeout(host.limits.ingest, taken).await {
        Ok(Ok(record)) => Ok(record),
        Ok(Err(error)) => {
            Err(Failure::infrastructure("ingest", &error).with("output", &output.name))
        }
        Err(elapsed) => Err(Failure::infrastructure("ingest", &elapsed)),
    }
}

fn refused(reason: DiskRefusal, message: &str, output: &OutputDisk) -> Failure {
    let (class, reason) = match reason {
        DiskRefusal::NotFound => (FailureClass::User, "output_not_found"),
        DiskRefusal::Invalid => (FailureClass::User, "output_invalid"),
        DiskRefusal::TooLarge | DiskRefusal::DiskFull => {
            (FailureClass::DiskFull, "output_too_large")
        }
        DiskRefusal::Agent => (FailureClass::Infrastructure, "agent"),
    };
    let message = format!("the output {} could not be packed: {message}", output.name);
    Failure::new(class, message)
        .with("reason", reason)
        .with("output", &output.name)
        .with("path", &output.path)
        .with("size_bytes", output.max_bytes)
}
