//! How much stdin goes ahead of the agent: no more than it holds for a command that does not read,
//! so that whatever else it is told is never behind stdin that it has no room for.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use kiln_proto::agent::STDIN_WINDOW_BYTES;

/// Of one stream: counted from the offset at which it began.
#[derive(Clone, Debug, Default)]
pub(in crate::guest) struct Flow(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    taken: u64,
    sender: Option<Waker>,
}

impl Flow {
    pub(in crate::guest) fn sent(&self) -> u64 {
        self.counts().sent
    }

    pub(in crate::guest) fn take(&self, taken: u64) {
        let mut counts = self.counts();
        counts.taken = taken;
        if let Some(sender) = counts.sender.take() {
            sender.wake();
        }
    }

    /// Counts a chunk as sent once there is room for it: before it is on its way, so that an
    /// answer never finds less.
    pub(in crate::guest) fn poll_send(&self, length: u64, context: &Context<'_>) -> Poll<()> {
        let mut counts = self.counts();
        let sent = counts.sent + length;
        if sent > counts.taken + STDIN_WINDOW_BYTES {
            counts.sender = Some(context.waker().clone());
            return Poll::Pending;
        }
        counts.sent = sent;
        Poll::Ready(())
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
