//! A change on its way to the disk.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};

use super::IllegalTransition;

/// A change that the store has been given: it happens whatever becomes of this. Awaiting it says
/// when it is durable.
///
/// # Cancel safety
/// Safe: dropping it undoes nothing.
#[derive(Debug)]
#[must_use = "await it to know that the change is durable, or detach it"]
pub struct Commit {
    answer: oneshot::Receiver<Result<(), IllegalTransition>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// Nothing has changed.
    #[error(transparent)]
    Illegal(#[from] IllegalTransition),
    /// The store goes on trying.
    #[error(
        "the change could not be written down within {limit:?}; it is tried again until it can be"
    )]
    Late { limit: Duration },
    /// The daemon is going down: the change is as if it had not been asked for.
    #[error("the store was closed before the change could be written down")]
    Closed,
}

impl Commit {
    pub(super) fn new(answer: oneshot::Receiver<Result<(), IllegalTransition>>) -> Self {
        Self { answer }
    }

    /// Lets it happen in its own time. What went wrong is logged by the store.
    pub fn detach(self) {}

    /// Waits at most so long for the change, which is not given up when the caller gives up.
    pub async fn within(self, limit: Duration) -> Result<(), CommitError> {
        timeout(limit, self).await.unwrap_or(Err(CommitError::Late { limit }))
    }
}

impl Future for Commit {
    type Output = Result<(), CommitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.answer).poll(context)) {
            Ok(answer) => answer.map_err(CommitError::Illegal),
            Err(_) => Err(CommitError::Closed),
        })
    }
}
