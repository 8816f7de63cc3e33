//! What everyone may know of a job: never more than what is on the disk.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::{change::Record, recovery::Recovery};
use crate::job::{Job, QueuePlace, State};

#[derive(Debug)]
pub(super) struct Published {
    /// The writer sends what it has committed, the scheduler the place in the queue.
    job: watch::Sender<Job>,
    /// Written by the writer before it sends the job, so that whoever sees the job sees no older
    /// facts.
    facts: Mutex<Facts>,
}

#[derive(Clone, Debug)]
struct Facts {
    recovery: Recovery,
    order: u64,
}

impl Published {
    pub(super) fn new(record: Record) -> Self {
        let Record { job, recovery, order } = record;
        Self { job: watch::Sender::new(job), facts: Mutex::new(Facts { recovery, order }) }
    }

    pub(super) fn record(&self) -> Record {
        let Facts { recovery, order } = self.facts().clone();
        Record { job: self.job.borrow().clone(), recovery, order }
    }

    pub(super) fn publish(&self, record: Record) {
        let Record { job, recovery, order } = record;
        *self.facts() = Facts { recovery, order };
        self.job.send_modify(|published| {
            let place = published.place.filter(|_| matches!(job.state, State::Queued));
            *published = Job { place, ..job };
        });
    }

    pub(super) fn set_place(&self, place: Option<QueuePlace>) {
        self.job.send_if_modified(|job| {
            let stands = place.is_none() || matches!(job.state, State::Queued);
            let moves = stands && job.place != place;
            if moves {
                job.place = place;
            }
            moves
        });
    }

    pub(super) fn job(&self) -> Job {
        self.job.borrow().clone()
    }

    pub(super) fn with_job<T>(&self, look: impl FnOnce(&Job) -> T) -> T {
        look(&self.job.borrow())
    }

    pub(super) fn watch(&self) -> watch::Receiver<Job> {
        self.job.subscribe()
    }

    pub(super) fn recovery(&self) -> Recovery {
        self.facts().recovery.clone()
    }

    pub(super) fn order(&self) -> u64 {
        self.facts().order
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        // Only ever replaced whole.
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
