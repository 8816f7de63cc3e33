//! How much of the host's disk all sources together may take.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A disk is made of whole ones.
pub(super) const BLOCK_BYTES: u64 = 4096;

/// What a source of so many bytes takes: its disk, of one block at least, and a block for its record.
pub(super) fn footprint(size_bytes: u64) -> u64 {
    disk_bytes(size_bytes).saturating_add(BLOCK_BYTES)
}

pub(super) fn disk_bytes(size_bytes: u64) -> u64 {
    size_bytes.max(1).checked_next_multiple_of(BLOCK_BYTES).unwrap_or(u64::MAX)
}

#[derive(Debug)]
pub(super) struct Budget {
    total: u64,
    used: AtomicU64,
}

impl Budget {
    pub(super) fn new(total: u64) -> Arc<Self> {
        Arc::new(Self { total, used: AtomicU64::new(0) })
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// `None` when the total would be passed.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        let mut reservation = self.charge(0);
        reservation.grow(bytes).then_some(reservation)
    }

    /// For what is on the disk already, whatever the total is now.
    pub(super) fn charge(self: &Arc<Self>, bytes: u64) -> Reservation {
        self.used.fetch_add(bytes, Ordering::AcqRel);
        Reservation { budget: Arc::clone(self), bytes }
    }
}

/// A part of the budget; given back when dropped.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Reservation {
    /// False, and no larger, when the total would be passed.
    pub(super) fn grow(&mut self, bytes: u64) -> bool {
        let more = bytes.saturating_sub(self.bytes);
        let total = self.budget.total;
        let grown = self
            .budget
            .used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(more).filter(|used| *used <= total)
            })
            .is_ok();
        if grown {
            self.bytes += more;
        }
        grown
    }

    /// Never larger.
    pub(super) fn shrink(&mut self, bytes: u64) {
        let less = self.bytes.saturating_sub(bytes);
        self.budget.used.fetch_sub(less, Ordering::AcqRel);
        self.bytes -= less;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
