//! What all layers together have taken of what they may.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Limits;

#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limits: Limits,
    bytes: AtomicU64,
    holes: AtomicU64,
    entries: AtomicU64,
    words: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    #[error("the layers are more than {limit} bytes")]
    Bytes { limit: u64 },
    #[error("the holes in the layers' files are more than {limit} bytes")]
    Holes { limit: u64 },
    #[error("the layers have more than {limit} entries")]
    Entries { limit: u64 },
    #[error("the names, links and attributes in the layers are more than {limit} bytes")]
    Words { limit: u64 },
    #[error("its {blob} bytes inflate to more than {limit} times as many")]
    Ratio { blob: u64, limit: u64 },
}

impl Budget {
    pub(super) fn new(limits: &Limits) -> Self {
        let [bytes, holes, entries, words] = [const { AtomicU64::new(0) }; 4];
        Self { limits: *limits, bytes, holes, entries, words }
    }

    /// Before they go anywhere. `layer` is how many this layer has had before, of a blob of `blob`.
    pub(super) fn inflate(&self, more: u64, layer: u64, blob: u64) -> Result<(), OverBudget> {
        let Limits { bytes: limit, ratio, harmless, .. } = self.limits;
        let size = layer + more;
        if size > harmless && size > blob.saturating_mul(ratio) {
            return Err(OverBudget::Ratio { blob, limit: ratio });
        }
        take(&self.bytes, more, limit).ok_or(OverBudget::Bytes { limit })
    }

    pub(super) fn hold(&self, entries: u64, words: u64, holes: u64) -> Result<(), OverBudget> {
        let limit = self.limits.entries;
        take(&self.entries, entries, limit).ok_or(OverBudget::Entries { limit })?;
        let limit = self.limits.words;
        take(&self.words, words, limit).ok_or(OverBudget::Words { limit })?;
        let limit = self.limits.holes;
        take(&self.holes, holes, limit).ok_or(OverBudget::Holes { limit })
    }
}

/// Layers that are refused are not given back: there is no way on then.
fn take(counter: &AtomicU64, more: u64, limit: u64) -> Option<()> {
    let before = counter.fetch_add(more, Ordering::Relaxed);
    (before.checked_add(more)? <= limit).then_some(())
}
