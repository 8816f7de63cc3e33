//! The end of a job: said once it is durable, whatever else is still to be given back.

use std::time::Duration;

use tokio::time::timeout;

use super::greeted::Greeted;
use crate::{
    fault::{Point, at},
    job::Outcome,
    scheduler::Turn,
    store::{Commit, CommitError, JobHandle},
};

/// How long a machine is kept for the job's end to be written down.
const PATIENCE: Duration = Duration::from_secs(10);

/// A job whose machine is gone, or never was.
pub(super) async fn without_machine(job: &JobHandle, outcome: Outcome) -> Turn {
    and_then(job, outcome, async {}).await
}

/// Likewise. What is removed is not missed by the next kilnd, which would come to another end without it.
pub(super) async fn and_then(
    job: &JobHandle,
    outcome: Outcome,
    remove: impl Future<Output = ()>,
) -> Turn {
    if end(job, outcome).await {
        remove.await;
    }
    released(job).await
}

/// A job whose log is sealed and whose machine has nothing left to say.
pub(super) async fn with_machine(job: &JobHandle, outcome: Outcome, greeted: Greeted) -> Turn {
    if outcome == Outcome::Cancelled {
        // Who cancelled wants to hear that it is gone.
        greeted.release(job).await;
        return without_machine(job, outcome).await;
    }
    // The machine goes behind the record: until then the next kilnd can hear from it how the job
    // ended. But a disk that can't take the record must not keep a VM for ever.
    let ended = end(job, outcome);
    tokio::pin!(ended);
    match timeout(PATIENCE, &mut ended).await {
        Ok(true) => greeted.release(job).await,
        Ok(false) => {
            greeted.leave(job);
            return Turn::Left;
        }
        Err(_) => drop(tokio::join!(ended, greeted.release(job))),
    }
    released(job).await
}

/// False when this kilnd goes before it could be written: the next one comes to the same.
async fn end(job: &JobHandle, outcome: Outcome) -> bool {
    let ended = durably(job.end(outcome), "end").await;
    if ended {
        at(Point::Ended);
    }
    ended
}

/// Everything is given back.
pub(super) async fn released(job: &JobHandle) -> Turn {
    if durably(job.mark_released(), "release").await {
        at(Point::Released);
    }
    Turn::Over
}

/// The store tries for as long as it takes; it gives up only with the daemon, which is told by false.
async fn durably(commit: Commit, what: &'static str) -> bool {
    let Err(error) = commit.await else { return true };
    tracing::error!(what, %error, "a job's last change was not written down");
    error != CommitError::Closed
}
