//! The wish that a job end, with who wished it.

use std::sync::OnceLock;

use tokio_util::sync::CancellationToken;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody who may asked for it.
    Asked,
    /// The daemon is going down.
    Shutdown,
}

#[derive(Debug, Default)]
pub struct Cancellation {
    token: CancellationToken,
    reason: OnceLock<CancelReason>,
}

impl Cancellation {
    /// The first reason stands.
    pub fn cancel(&self, reason: CancelReason) {
        // Written before the token fires, so whoever wakes finds it.
        self.reason.get_or_init(|| reason);
        self.token.cancel();
    }

    /// # Cancel safety
    /// Safe: waiting changes nothing.
    pub async fn cancelled(&self) -> CancelReason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or(CancelReason::Asked)
    }

    pub fn reason(&self) -> Option<CancelReason> {
        self.reason.get().copied()
    }
}
