//! The wish that a job end, with who wished it.

use std::sync::OnceLock;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::job::JobId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// Somebody who may asked for it.
    Asked,
    /// The daemon is going down.
    Shutdown,
}

#[derive(Debug)]
pub struct Cancellation {
    id: JobId,
    token: CancellationToken,
    reason: OnceLock<CancelReason>,
    /// Who waits for the wishes of many jobs: the queue, which has no task for each of them.
    listener: OnceLock<mpsc::UnboundedSender<JobId>>,
}

impl Cancellation {
    pub(super) fn new(id: JobId) -> Self {
        Self {
            id,
            token: CancellationToken::new(),
            reason: OnceLock::new(),
            listener: OnceLock::new(),
        }
    }

    /// The first reason stands.
    pub fn cancel(&self, reason: CancelReason) {
        // Written before the token fires, so whoever wakes finds it.
        self.reason.get_or_init(|| reason);
        self.token.cancel();
        self.tell();
    }

    /// Tells this listener, the first and only one, of a wish that is there or comes. It may be
    /// told twice: whoever sets it sees a wish that came before, and whoever wishes after sees it.
    pub fn listen(&self, listener: mpsc::UnboundedSender<JobId>) {
        self.listener.get_or_init(|| listener);
        if self.token.is_cancelled() {
            self.tell();
        }
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

    fn tell(&self) {
        if let Some(listener) = self.listener.get() {
            // Without a queue nobody waits.
            let _ = listener.send(self.id.clone());
        }
    }
}
