//! Another job of the same tenant, which this one is made of: looked at once more when it starts.

use super::Host;
use crate::{
    job::{Failure, FailureClass, Job, JobId},
    rootfs::origin::OriginError,
    store::JobHandle,
};

pub(super) async fn job(host: &Host, job: &JobHandle, other: &JobId) -> Result<Job, Failure> {
    let found = host.store.find(&job.owner().tenant, other).await;
    match found.map_err(|error| Failure::infrastructure("source", &error))? {
        Some(handle) => Ok(handle.snapshot()),
        None => Err(failure(&OriginError::NoJob(other.clone()))),
    }
}

/// It was there when the job was created.
pub(super) fn failure(error: &OriginError) -> Failure {
    let reason = if error.is_absent() { "no_origin" } else { "origin" };
    Failure::new(FailureClass::Source, error.to_string())
        .with("step", "source")
        .with("reason", reason)
}
