//! A build's exports on their way from its disks to where they belong.

use std::sync::Arc;

use tokio::time::timeout;

use super::registry;
use crate::{
    build::{Image, publish},
    fault::{Point, at},
    job::{Build, Export, ExportKind, Failure, OutputRecord, Phase, Step},
    lifecycle::{
        Host,
        durable::durable,
        greeted::Greeted,
        interrupt::{Interrupted, unless_cancelled},
        outputs,
    },
    store::JobHandle,
};

/// All are in, and verified, before anything gets a name. An image's record is of its index, and of
/// as many bytes as the engine wrote; its content is the registry's.
pub(in crate::lifecycle) async fn take_over(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    build: &Build,
) -> Result<Vec<OutputRecord>, Interrupted> {
    job.begin_phase(Phase::Packaging).detach();
    let mut images = Vec::new();
    let records = if build.exports.is_empty() {
        Vec::new()
    } else {
        let lengths = outputs::pack_all(host, job, greeted).await?;
        job.begin_step(Step::Ingest).detach();
        let mut records = Vec::with_capacity(build.exports.len());
        for export in &build.exports {
            let length = lengths.get(export.output).copied().unwrap_or_default();
            let taken = ingest(host, job, greeted, export, length, &mut images);
            records.push(unless_cancelled(job.cancellation(), taken).await?);
            at(Point::Ingested);
        }
        records
    };
    job.begin_step(Step::Publish).detach();
    let exported = records.iter().map(|record| record.size_bytes).sum();
    let published = publish(host, job, build, images, exported);
    unless_cancelled(job.cancellation(), published).await?;
    Ok(records)
}

async fn ingest(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
    export: &Export,
    length: u64,
    images: &mut Vec<Image>,
) -> Result<OutputRecord, Failure> {
    let index = export.output;
    match &export.kind {
        ExportKind::Tree { .. } => {
            let output = &job.spec().outputs[index];
            outputs::ingest(host, job, greeted, index, output, length).await
        }
        ExportKind::Image(_) => {
            let disk = &greeted.disks().outputs[index];
            let (owner, id) = (job.owner(), job.id());
            let taken = publish::take_over(registry(host)?, owner, id, export, disk, length);
            let image = timeout(host.limits.ingest, taken)
                .await
                .map_err(|elapsed| Failure::infrastructure("ingest", &elapsed))??;
            let digest = image.content.digest.clone();
            images.push(image);
            let name = export.name.clone();
            Ok(OutputRecord { name, size_bytes: length, digest, expired: false })
        }
    }
}

/// What they are called stands in the record before the job is said to have outputs.
async fn publish(
    host: &Host,
    job: &JobHandle,
    build: &Build,
    images: Vec<Image>,
    exported_bytes: u64,
) -> Result<(), Failure> {
    let published = publish::publish(registry(host)?, job.owner(), job.id(), build, images);
    let images = timeout(host.limits.publish, published)
        .await
        .map_err(|elapsed| Failure::infrastructure("publish", &elapsed))??;
    at(Point::Published);
    let keeps_none = images.is_empty();
    let mut record = job.snapshot().build.map(Arc::unwrap_or_clone).unwrap_or_default();
    record.images = images;
    record.exported_bytes = exported_bytes;
    durable(job.record_build(Arc::new(record)), &host.limits).await?;
    at(Point::Recorded);
    if keeps_none {
        // Caches that went on to registries outside: no output will expire and take them along.
        super::discard(host, job).await;
    }
    Ok(())
}
