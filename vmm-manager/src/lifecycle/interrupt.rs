//! What keeps a job from its work.

use crate::{
    job::{Failure, FailureClass, Outcome},
    store::{CancelReason, Cancellation},
};

#[derive(Debug)]
pub(super) enum Interrupted {
    Cancelled(CancelReason),
    Failed(Failure),
}

impl Interrupted {
    pub(super) fn into_outcome(self) -> Outcome {
        match self {
            Self::Cancelled(reason) => cancelled(reason),
            Self::Failed(failure) => failure.into(),
        }
    }
}

impl From<Failure> for Interrupted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A job that its owner cancelled is cancelled; one that the daemon took down did not end so.
pub(crate) fn cancelled(reason: CancelReason) -> Outcome {
    match reason {
        CancelReason::Asked => Outcome::Cancelled,
        CancelReason::Shutdown => Failure::new(
            FailureClass::Infrastructure,
            "kilnd was shut down before the job had ended; submit it again",
        )
        .with("step", "shutdown")
        .into(),
    }
}

/// Runs a phase unless the job is cancelled first. The phase is dropped where it stands, so its
/// caller still holds, and gives back, everything that was taken.
pub(super) async fn unless_cancelled<T>(
    cancellation: &Cancellation,
    phase: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Interrupted> {
    tokio::select! {
        biased;
        reason = cancellation.cancelled() => Err(Interrupted::Cancelled(reason)),
        done = phase => done.map_err(Interrupted::Failed),
    }
}
