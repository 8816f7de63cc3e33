//! Places to wait in the queue: counted from before a job is written down until its turn.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use crate::admission::{QueueFull, room};

#[derive(Clone, Debug)]
pub(super) struct Seats {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// One place. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Seat {
    taken: Arc<AtomicUsize>,
}

impl Seats {
    pub(super) fn new(limit: usize) -> Self {
        Self { taken: Arc::default(), limit }
    }

    pub(super) fn take(&self) -> Result<Seat, QueueFull> {
        let one_more = |taken| room(taken, self.limit).ok().map(|()| taken + 1);
        match self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(_) => Ok(self.seat()),
            Err(_) => Err(QueueFull { limit: self.limit }),
        }
    }

    /// For a job that was taken long ago: above the limit where it must be.
    pub(super) fn take_by_right(&self) -> Seat {
        self.taken.fetch_add(1, Ordering::AcqRel);
        self.seat()
    }

    fn seat(&self) -> Seat {
        Seat { taken: Arc::clone(&self.taken) }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::AcqRel);
    }
}
