//! A job that an earlier kilnd had begun.
//!
//! ```text
//! ended ─────────────▶ what is left of it is removed
//! not `started` ─────▶ what is left of it is removed, and it is queued again
//! `made` ────────────▶ what is left of its machines is removed, and what was made is checked
//! `started` ─────────▶ its machine is adopted, its guest greeted, its command resumed
//!                      └─ can't be ─▶ removed, and failed as `infrastructure`: it may have done its
//!                                     work already, so it is never begun again
//! ```

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::timeout;

use super::{
    Host, boot,
    created::Created,
    finish,
    greeted::Greeted,
    interrupt::{self, Interrupted},
    outputs, rootfs,
    taken::{Taken, give_leases_back},
    work,
};
use crate::{
    job::{Failure, FailureClass, Outcome},
    network, reconcile, registry,
    scheduler::Turn,
    store::{CancelReason, JobHandle},
    vmm::AdoptError,
};

/// For the record that nothing of an ended job is left; the store tries on behind it.
const RELEASE: Duration = Duration::from_secs(10);

pub(super) async fn adopt(host: &Host, job: &JobHandle) -> Turn {
    let recovery = job.recovery();
    if job.snapshot().has_ended() {
        clear(host, job).await;
        discard(host, job).await;
        // A disk that can't take the record now must not keep a daemon from its start.
        return timeout(RELEASE, finish::released(job)).await.unwrap_or(Turn::Over);
    }
    if !recovery.started {
        clear(host, job).await;
        return match job.cancellation().reason() {
            Some(reason) => finish::without_machine(job, interrupt::cancelled(reason)).await,
            None => Turn::Again,
        };
    }
    if let (Some(asked), true) = (rootfs::of(job), rootfs::is_made(job)) {
        // Whichever machine there still is: none of them has anything to say any more.
        record_seen(host, job);
        clear(host, job).await;
        return match job.cancellation().reason() {
            Some(reason @ CancelReason::Asked) if job.snapshot().outputs.is_empty() => {
                work::close_log(host, job).await;
                let outcome = interrupt::cancelled(reason);
                finish::and_then(job, outcome, outputs::discard(host, job)).await
            }
            _ => work::go_on(host, job, asked).await,
        };
    }
    match rejoin(host, job).await {
        Ok(greeted) => work::run(host, job, greeted).await,
        Err(outcome) => {
            record_seen(host, job);
            clear(host, job).await;
            work::close_log(host, job).await;
            if job.snapshot().outputs.is_empty() {
                outputs::discard(host, job).await;
            }
            let outcome = match job.cancellation().reason() {
                // Its VM is gone, as whoever cancelled it wished.
                Some(reason @ CancelReason::Asked) => interrupt::cancelled(reason),
                _ => outcome,
            };
            finish::without_machine(job, outcome).await
        }
    }
}

/// What a machine that is gone was seen doing.
fn record_seen(host: &Host, job: &JobHandle) {
    let since = job.snapshot().started_at().unwrap_or(SystemTime::UNIX_EPOCH);
    let directory = host.home.vm_directory(job.id());
    if let Some(egress) = network::left_behind(&directory, since) {
        job.record_egress(egress).detach();
    }
    if let Some(served) = registry::left_behind(&directory) {
        job.record_registry(Arc::new(served)).detach();
    }
}

/// What a root filesystem left that was promised to nobody: it goes behind the job's end.
async fn discard(host: &Host, job: &JobHandle) {
    if rootfs::of(job).is_some() && job.snapshot().outputs.is_empty() {
        outputs::discard(host, job).await;
    }
}

async fn rejoin(host: &Host, job: &JobHandle) -> Result<Greeted, Outcome> {
    let directory = host.home.vm_directory(job.id());
    let machine = host.vmm.adopt(&directory, host.home.instance()).await;
    let machine = machine.map_err(|error| lost(job, error))?;
    let Some(mut taken) = Taken::again(host, job) else {
        machine.kill().await;
        return Err(failure("number", "its number is another machine's by now").into());
    };
    if let Err(error) = taken.network_again(host, job, machine.as_ref()).await {
        machine.kill().await;
        let words = format!("its network could not be taken up: {}", error.in_words());
        return Err(failure("network", &words).into());
    }
    let created = Created { taken, machine };
    let greeted = async { created.rejoin(host, job).await?.greet(host, job).await };
    greeted.await.map_err(Interrupted::into_outcome)
}

fn lost(job: &JobHandle, error: AdoptError) -> Outcome {
    if let AdoptError::Ended(exit) = &error
        && let Some(outcome) = boot::ended_alone(job, exit)
    {
        return outcome;
    }
    let (reason, words) = match error {
        AdoptError::Nothing => ("gone", "nothing of its VM is left".to_owned()),
        AdoptError::Ended(exit) => ("ended", format!("its VM had ended: {exit}")),
        AdoptError::Version { ours, theirs } => {
            ("version", format!("its supervisor speaks version {theirs}, and this kilnd {ours}"))
        }
        AdoptError::Foreign { what } => ("foreign", what),
        AdoptError::Io { what, source } => ("io", format!("{what}: {source}")),
    };
    failure(reason, &words).into()
}

fn failure(reason: &'static str, words: &str) -> Failure {
    let message = format!(
        "kilnd was restarted while the job's command ran, and could not take it up again: {words}; \
         whether the command did its work is not known"
    );
    Failure::new(FailureClass::Infrastructure, message).with("step", "adopt").with("reason", reason)
}

/// Ends and removes what an earlier kilnd left of the job's machine. What can't be removed now, the
/// reconciler tries again when the job is not live any more.
async fn clear(host: &Host, job: &JobHandle) {
    if reconcile::clear_vm(host, job.id().as_str()).await {
        let path = host.home.vm_directory(job.id());
        give_leases_back(job, path.to_string_lossy().into_owned());
        // Nothing carries its number now. What stays, keeps it for as long as this daemon lives.
        drop(job.recovery().number.and_then(|number| host.numbers.take_again(number)));
    }
}
