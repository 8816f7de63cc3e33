//! What the registry serves to one machine, as it is told.
//!
//! ```text
//! served, refused ──▶ the record, in memory ──▶ who asks about the job; the job's end
//!                         └── what has changed ──▶ registry.log, in bunches
//! ```
//!
//! Whoever serves never waits for the file. *Failure paths*: a file that can't be written is tried
//! again whole with the next change, and the record in memory lacks nothing. kilnd dies: the next one
//! reads the file and goes on with it; what was served in its last moments may be missing, and the
//! record says so.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use kiln_registry::record::{Ledger, Material, Refusal};
use tokio::{sync::Notify, task::spawn_blocking, time::sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{
    journal::{self, Changes, Journal},
    record::{Listed, RegistryRecord},
};
use crate::fault::{Point, at};

/// Between two writes: what comes meanwhile is one.
const GATHER: Duration = Duration::from_millis(50);
const RESTARTED: &str = "kilnd was restarted while the job ran: what was served just before is not \
                         known";

/// Of one machine, for as long as it lives.
#[derive(Debug)]
pub(crate) struct JobLedger {
    shared: Arc<Shared>,
    _writing: DropGuard,
}

#[derive(Debug)]
struct Shared {
    book: Mutex<Book>,
    changed: Notify,
    /// Locked by who writes.
    journal: Mutex<Journal>,
}

#[derive(Debug, Default)]
struct Book {
    record: RegistryRecord,
    /// By their places in the record.
    materials: BTreeSet<usize>,
    refusals: BTreeSet<usize>,
    over: bool,
}

impl JobLedger {
    /// Of a machine that is being made, in its directory. Within a runtime.
    pub(crate) fn begin(directory: &Path) -> Self {
        Self::with(RegistryRecord::default(), directory)
    }

    /// Of a machine that an earlier kilnd started.
    pub(crate) async fn again(directory: &Path) -> Self {
        let path = directory.to_owned();
        let read = spawn_blocking(move || journal::read(&path)).await;
        let mut record = read.ok().flatten().unwrap_or_default();
        record.lack(RESTARTED);
        Self::with(record, directory)
    }

    fn with(record: RegistryRecord, directory: &Path) -> Self {
        let book = Mutex::new(Book { record, ..Book::default() });
        let journal = Mutex::new(Journal::new(directory));
        let shared = Arc::new(Shared { book, changed: Notify::new(), journal });
        let end = CancellationToken::new();
        let writing = write_on(Arc::clone(&shared));
        tokio::spawn(end.clone().run_until_cancelled_owned(writing));
        Self { shared, _writing: end.drop_guard() }
    }

    /// For whoever serves.
    pub(crate) fn told(&self) -> Arc<dyn Ledger> {
        Arc::clone(&self.shared) as Arc<dyn Ledger>
    }

    /// As it is now.
    pub(crate) fn record(&self) -> RegistryRecord {
        self.shared.book().record.clone()
    }

    /// For the next kilnd, before this one goes. Blocks for as long as a small file takes.
    pub(crate) fn write_down(&self) {
        self.shared.write_down();
    }
}

/// What is known of a machine that is gone; `None` where nothing was served.
pub(crate) fn left_behind(directory: &Path) -> Option<RegistryRecord> {
    let mut record = journal::read(directory)?;
    record.lack(RESTARTED);
    Some(record)
}

async fn write_on(shared: Arc<Shared>) {
    loop {
        // A change between two waits leaves its permit here, so none is slept over.
        shared.changed.notified().await;
        let writes = Arc::clone(&shared);
        if let Err(error) = spawn_blocking(move || writes.write_down()).await {
            tracing::error!(%error, "what the registry served is not written down");
        }
        sleep(GATHER).await;
    }
}

impl Shared {
    /// Each change is made under it in one piece, so that a panic elsewhere has left it whole.
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self) {
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = self.book().changes(journal.wants_all());
        let Some(changes) = changes else { return };
        // After an error the journal wants all of it the next time.
        match journal.write(&changes) {
            Ok(()) => at(Point::Served),
            Err(error) => {
                tracing::warn!(%error, "what the registry served to a guest is not written down");
            }
        }
    }
}

impl Book {
    /// What is to be written, if anything.
    fn changes(&mut self, all: bool) -> Option<Changes> {
        let (materials, refusals) =
            (std::mem::take(&mut self.materials), std::mem::take(&mut self.refusals));
        let over = std::mem::take(&mut self.over);
        if materials.is_empty() && refusals.is_empty() && !over {
            return None;
        }
        if all {
            return Some(Changes::all(&self.record));
        }
        let RegistryRecord { more_materials, more_refusals, .. } = self.record;
        Some(Changes {
            materials: materials.iter().map(|at| self.record.materials[*at].clone()).collect(),
            refusals: refusals.iter().map(|at| self.record.refusals[*at].clone()).collect(),
            over: over.then_some((more_materials, more_refusals)),
        })
    }
}

impl Ledger for Shared {
    fn served(&self, material: Material) {
        let mut book = self.book();
        match book.record.serve(material) {
            Listed::At(place) => drop(book.materials.insert(place)),
            Listed::Over => book.over = true,
        }
        drop(book);
        self.changed.notify_one();
    }

    fn refused(&self, refusal: Refusal) {
        let mut book = self.book();
        match book.record.refuse(refusal) {
            Listed::At(place) => drop(book.refusals.insert(place)),
            Listed::Over => book.over = true,
        }
        drop(book);
        self.changed.notify_one();
    }
}

#[cfg(test)]
mod tests;
