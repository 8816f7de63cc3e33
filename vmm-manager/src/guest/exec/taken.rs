//! How much output is safe with the host: one number, of which only the latest matters.

use std::{
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

#[derive(Debug, Default)]
struct Cell {
    offset: u64,
    reported: u64,
    reporter: Option<Waker>,
}

/// The side that knows.
#[derive(Clone, Debug)]
pub(super) struct Taken(Arc<Mutex<Cell>>);

/// The side that tells the guest.
#[derive(Debug)]
pub(super) struct Reports(Arc<Mutex<Cell>>);

pub(super) fn taken() -> (Taken, Reports) {
    let cell = Arc::default();
    (Taken(Arc::clone(&cell)), Reports(cell))
}

impl Taken {
    pub(super) fn raise(&self, offset: u64) {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if offset > cell.offset {
            cell.offset = offset;
            if let Some(reporter) = cell.reporter.take() {
                reporter.wake();
            }
        }
    }
}

impl Reports {
    /// An offset that was not reported yet.
    pub(super) fn poll(&mut self, context: &Context<'_>) -> Poll<u64> {
        let mut cell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if cell.offset > cell.reported {
            cell.reported = cell.offset;
            return Poll::Ready(cell.offset);
        }
        // Under the lock: whoever raises it after this look finds the waker.
        cell.reporter = Some(context.waker().clone());
        Poll::Pending
    }
}
