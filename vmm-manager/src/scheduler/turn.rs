//! One job's turn, from its beginning to what follows from its end.

use std::sync::Arc;

use super::{Runner, Turn};
use crate::{
    fault::{Point, at},
    job::{Failure, FailureClass, Outcome},
    store::{CommitError, JobHandle},
};

/// How often a job is begun before it counts as one that cannot be.
pub const MOST_ATTEMPTS: u32 = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Run,
    Adopt,
}

/// What the dispatcher is to do with the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Over,
    Queued,
    Left,
}

pub(super) async fn take(runner: Arc<dyn Runner>, job: Arc<JobHandle>, kind: Kind) -> Ending {
    if kind == Kind::Run {
        at(Point::Turn);
        // Durable first: whatever the attempt takes is found again.
        match job.begin_attempt().await {
            Ok(()) => {}
            Err(CommitError::Closed | CommitError::Late { .. }) => return Ending::Left,
            Err(CommitError::Illegal(illegal)) => {
                tracing::error!(job = %job.id(), error = %illegal, "a job's turn was refused");
                return Ending::Over;
            }
        }
    }
    // A task of its own, so that a panic ends this job alone.
    let turn = tokio::spawn({
        let job = Arc::clone(&job);
        let runner = Arc::clone(&runner);
        async move {
            match kind {
                Kind::Run => runner.run(job).await,
                Kind::Adopt => runner.adopt(job).await,
            }
        }
    });
    match turn.await {
        Ok(Turn::Over) => Ending::Over,
        Ok(Turn::Left) => Ending::Left,
        Ok(Turn::Again) => again(&job).await,
        Err(panicked) => {
            tracing::error!(job = %job.id(), error = %panicked, "a job's lifecycle panicked");
            let failure = failure("kilnd's own fault ended the job; see its log", "lifecycle");
            let ending = settle(&job, failure, false).await;
            // What it held has lost its owner: it is given back as after a restart.
            let restored = tokio::spawn(async move { runner.adopt(job).await });
            if let Err(panicked) = restored.await {
                tracing::error!(error = %panicked, "what the job held is left for the next start");
            }
            ending
        }
    }
}

async fn again(job: &JobHandle) -> Ending {
    let attempt = job.snapshot().attempt;
    if attempt >= MOST_ATTEMPTS {
        let message = format!("the job was begun {attempt} times, and its work could not start");
        return settle(job, failure(message, "attempt"), true).await;
    }
    match job.requeue().await {
        Ok(()) => Ending::Queued,
        Err(CommitError::Closed | CommitError::Late { .. }) => Ending::Left,
        Err(CommitError::Illegal(illegal)) => {
            tracing::error!(job = %job.id(), error = %illegal, "a job is not begun again");
            settle(job, failure("the job cannot be begun again", "attempt"), true).await
        }
    }
}

fn failure(message: impl Into<String>, step: &'static str) -> Failure {
    Failure::new(FailureClass::Infrastructure, message).with("step", step)
}

async fn settle(job: &JobHandle, failure: Failure, released: bool) -> Ending {
    end(job, failure.into(), released).await;
    Ending::Over
}

/// Ends a job that holds nothing of the host. An error means that the daemon goes down before the
/// end could be written, and the next one comes to the same.
pub(super) async fn end(job: &JobHandle, outcome: Outcome, released: bool) {
    // In order, so the second stands only where the first does.
    let ended = job.end(outcome);
    if released {
        let _ = job.mark_released().await;
    } else {
        let _ = ended.await;
    }
}
