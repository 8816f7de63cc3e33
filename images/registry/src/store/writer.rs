//! The one thread that writes to the database.
//!
//! Whatever has come in while the last commit was made goes into the next one, so a disk that syncs
//! slowly makes larger groups, not longer queues. Each change stands behind a savepoint of its own:
//! one that is refused leaves the others alone. A commit that fails answers all that were in it.
//!
//! A COMMIT that failed in its sync may be found on the disk by a restart all the same. Whoever was
//! answered with the error has kept to the rule of files, so that is no harm: a file is durable
//! before its row and goes after it, and a row whose file is gone counts as none when it is read.

use std::{
    path::Path,
    sync::mpsc,
    thread::{self, JoinHandle},
};

use rusqlite::{Connection, TransactionBehavior};

use super::{StoreError, schema};

/// Of one transaction: bounds how long its first change waits for its last.
const MOST_CHANGES: usize = 1024;

#[derive(Debug)]
pub(super) struct Writer {
    /// None once it is closed.
    changes: Option<mpsc::Sender<Box<dyn Step>>>,
    thread: Option<JoinHandle<()>>,
}

/// A change that waits for its commit.
trait Step: Send {
    /// False: it is refused, and what it has written is taken back.
    fn run(&mut self, connection: &Connection) -> bool;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Change<T, F> {
    /// Until it has run.
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: mpsc::SyncSender<Result<T, StoreError>>,
}

impl<T, F> Step for Change<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = work(connection);
        let accepted = outcome.is_ok();
        self.outcome = Some(outcome);
        accepted
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let outcome = match (committed, self.outcome) {
            (Ok(()), Some(outcome)) => outcome,
            (Ok(()), None) => Err(StoreError::Closed),
            // A refusal is one whether or not the others could be committed.
            (Err(_), Some(Err(refused))) => Err(refused),
            (Err(error), _) => Err(error),
        };
        // Nobody waits any more: it stands all the same.
        let _ = self.answer.send(outcome);
    }
}

impl Writer {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = schema::open_for_writing(path)?;
        let (changes, waiting) = mpsc::channel();
        let path = path.to_owned();
        let thread = thread::Builder::new()
            .name("registry-store".to_owned())
            .spawn(move || run(&path, connection, &waiting))
            .map_err(|error| StoreError::io(Path::new("thread"), error))?;
        Ok(Self { changes: Some(changes), thread: Some(thread) })
    }

    /// Blocks until the change is durable. Not for a runtime's threads.
    pub(super) fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = mpsc::sync_channel(1);
        let change = Change { work: Some(change), outcome: None, answer };
        let changes = self.changes.as_ref().ok_or(StoreError::Closed)?;
        changes.send(Box::new(change)).map_err(|_| StoreError::Closed)?;
        answered.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.changes = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(path: &Path, mut connection: Connection, waiting: &mpsc::Receiver<Box<dyn Step>>) {
    while let Ok(first) = waiting.recv() {
        let mut steps = vec![first];
        steps.extend(waiting.try_iter().take(MOST_CHANGES));
        let committed = round(path, &mut connection, &mut steps);
        if let Err(error) = &committed {
            let source = std::error::Error::source(error).map(ToString::to_string);
            tracing::error!(%error, source, "the image store cannot write");
        }
        for step in steps {
            step.answer(committed.clone());
        }
    }
}

fn round(
    path: &Path,
    connection: &mut Connection,
    steps: &mut [Box<dyn Step>],
) -> Result<(), StoreError> {
    if !connection.is_autocommit() {
        // A rollback that failed: a new connection begins without the transaction.
        *connection = schema::open_for_writing(path)?;
    }
    let mut transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in steps {
        let savepoint = transaction.savepoint()?;
        if step.run(&savepoint) {
            savepoint.commit()?;
        } else {
            savepoint.finish()?;
        }
    }
    Ok(transaction.commit()?)
}
