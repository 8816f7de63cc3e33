//! How far a pull or a push is.

use std::sync::Arc;

use crate::digest::Digest;

/// Between two reports on one blob.
const STEP: u64 = 1 << 20;

/// Called for each step. Must not block.
pub type Progress = Arc<dyn Fn(Transfer) + Send + Sync>;

/// How far one blob or manifest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub digest: Digest,
    pub done: u64,
    pub total: u64,
    /// It was there already: nothing goes over the network for it.
    pub present: bool,
}

/// Reports on one blob, now and then.
pub(crate) struct Meter {
    progress: Progress,
    digest: Digest,
    total: u64,
    done: u64,
    told: u64,
}

impl Meter {
    pub(crate) fn new(progress: &Progress, digest: Digest, total: u64) -> Self {
        Self { progress: Arc::clone(progress), digest, total, done: 0, told: 0 }
    }

    /// It goes on there, or begins again.
    pub(crate) fn at(&mut self, done: u64) {
        (self.done, self.told) = (done, done);
    }

    pub(crate) fn add(&mut self, bytes: usize) {
        self.done += bytes as u64;
        if self.done >= self.told + STEP || self.done == self.total {
            self.told = self.done;
            self.tell(self.done, false);
        }
    }

    pub(crate) fn present(&self) {
        self.tell(self.total, true);
    }

    pub(crate) fn finished(&self) {
        if self.told != self.total {
            self.tell(self.total, false);
        }
    }

    fn tell(&self, done: u64, present: bool) {
        (self.progress)(Transfer { digest: self.digest, done, total: self.total, present });
    }
}
