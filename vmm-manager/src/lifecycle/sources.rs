//! The job's sources on their way into the guest, before its work.

use super::{
    Host,
    end::guest_failure,
    greeted::Greeted,
    interrupt::{Interrupted, unless_cancelled},
};
use crate::{
    disk::source_serial,
    guest::{DiskEnd, DiskRefusal, Unpack},
    job::{Failure, FailureClass, InputDisk, Phase, Step},
    store::JobHandle,
};

/// Once for each disk: the agent remembers, so a kilnd that was restarted may ask again.
pub(super) async fn unpack(
    host: &Host,
    job: &JobHandle,
    greeted: &Greeted,
) -> Result<(), Interrupted> {
    if job.spec().inputs.is_empty() {
        return Ok(());
    }
    job.begin_phase(Phase::Downloading).detach();
    job.begin_step(Step::Source).detach();
    let held = greeted.leases.taken.sources();
    for (index, (input, hold)) in job.spec().inputs.iter().zip(held).enumerate() {
        let one = unpack_one(host, greeted, index, input, hold.source().size_bytes);
        unless_cancelled(job.cancellation(), one).await?;
    }
    Ok(())
}

async fn unpack_one(
    host: &Host,
    greeted: &Greeted,
    index: usize,
    input: &InputDisk,
    length: u64,
) -> Result<(), Failure> {
    let request = Unpack {
        disk: source_serial(index),
        length,
        format: input.format.into(),
        path: input.path.clone(),
        silence: host.limits.silence,
        limit: host.limits.source,
    };
    match greeted.guest.unpack(request).await {
        Ok(DiskEnd::Done { .. }) => Ok(()),
        Ok(DiskEnd::Refused { reason, message }) => Err(refused(reason, &message, input)),
        Err(error) => Err(guest_failure("source", error, greeted.machine()).await),
    }
}

fn refused(reason: DiskRefusal, message: &str, input: &InputDisk) -> Failure {
    let (class, reason) = match reason {
        DiskRefusal::NotFound => (FailureClass::Source, "bad_path"),
        DiskRefusal::Invalid => (FailureClass::Source, "invalid"),
        DiskRefusal::TooLarge | DiskRefusal::DiskFull => (FailureClass::DiskFull, "disk_full"),
        DiskRefusal::Agent => (FailureClass::Infrastructure, "agent"),
    };
    let message = format!("the source for {} could not be unpacked: {message}", input.path);
    Failure::new(class, message).with("reason", reason).with("path", &input.path)
}
