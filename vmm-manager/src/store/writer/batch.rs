//! What one transaction does, and what is published and answered once it is durable.

use std::{
    collections::{HashMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{Forgetting, Mutation, Request, Stored, Submission, What};
use crate::{
    job::{JobId, State},
    store::{
        ForgetError, IllegalTransition, JobHandle, StoreError, SubmitError,
        change::{Change, Record},
        error::certainly_not_committed,
        lease::{self, Lease, LeaseKind},
        live::Live,
        published::Published,
        table::{self, RowError},
    },
};

#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: StoreError,
    /// A restart might find it committed.
    pub(super) in_doubt: bool,
}

/// What is written beside what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Also {
    Nothing,
    /// As little as ends the doubt about an earlier commit.
    Fence,
    /// As much as shows that there is room again; a fence too.
    Probe,
}

#[derive(Debug)]
pub(super) struct Batch {
    path: PathBuf,
    live: Arc<Live>,
    boot_id: String,
    changed: HashMap<JobId, Working>,
    new: HashMap<JobId, (Arc<JobHandle>, Record)>,
    answers: Answers,
}

/// In the order of what was asked.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) mutations: Vec<Result<(), IllegalTransition>>,
    pub(super) submissions: Vec<Result<Stored, SubmitError>>,
    pub(super) forgettings: Vec<Result<(), ForgetError>>,
}

/// A job that was there before.
#[derive(Debug)]
struct Working {
    /// `None` for a job that is over.
    handle: Option<Arc<JobHandle>>,
    /// Others that show the job: of handles that were loaded.
    others: Vec<Arc<Published>>,
    record: Record,
    dirty: bool,
}

impl Batch {
    pub(super) fn new(path: &Path, live: &Arc<Live>, boot_id: &str) -> Self {
        Self {
            path: path.to_owned(),
            live: Arc::clone(live),
            boot_id: boot_id.to_owned(),
            changed: HashMap::new(),
            new: HashMap::new(),
            answers: Answers::default(),
        }
    }

    pub(super) fn write(
        &mut self,
        connection: &mut Connection,
        mutations: &VecDeque<Mutation>,
        requests: &[Request],
        also: Also,
    ) -> Result<(), Failure> {
        let path = self.path.clone();
        let not_begun = |error: RowError| Failure { error: error.at(&path), in_doubt: false };
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| not_begun(error.into()))?;
        self.fill(&transaction, mutations, requests).map_err(not_begun)?;
        match also {
            Also::Nothing => {}
            Also::Fence => table::raise_fence(&transaction).map_err(not_begun)?,
            Also::Probe => table::probe(&transaction).map_err(not_begun)?,
        }
        transaction.commit().map_err(|error| Failure {
            in_doubt: !certainly_not_committed(&error),
            error: StoreError::database(&path, error),
        })
    }

    fn fill(
        &mut self,
        connection: &Connection,
        mutations: &VecDeque<Mutation>,
        requests: &[Request],
    ) -> Result<(), RowError> {
        for mutation in mutations {
            let answer = self.mutate(connection, mutation)?;
            self.answers.mutations.push(answer);
        }
        for working in self.changed.values().filter(|working| working.dirty) {
            table::update(connection, &working.record)?;
        }
        for request in requests {
            match request {
                Request::Submit(submission) => {
                    let answer = self.submit(connection, submission)?;
                    self.answers.submissions.push(answer);
                }
                Request::Forget(forgetting) => {
                    let answer = forget(connection, forgetting)?;
                    self.answers.forgettings.push(answer);
                }
            }
        }
        Ok(())
    }

    fn mutate(
        &mut self,
        connection: &Connection,
        mutation: &Mutation,
    ) -> Result<Result<(), IllegalTransition>, RowError> {
        let Mutation { id, published, what, at, answer: _ } = mutation;
        let working = match self.working(connection, id) {
            Ok(Some(working)) => working,
            Ok(None) => return Ok(illegal("change", "forgotten")),
            // Of this job alone, and for good: it must not hold up the others.
            Err(RowError::Damaged { .. }) => return Ok(illegal("change", "damaged")),
            Err(error) => return Err(error),
        };
        let live =
            working.handle.as_ref().is_some_and(|live| Arc::ptr_eq(live.published(), published));
        if !live && !working.others.iter().any(|other| Arc::ptr_eq(other, published)) {
            working.others.push(Arc::clone(published));
        }
        match what {
            What::Change(change) => {
                let number = working.record.recovery.number;
                if let Err(illegal) = working.record.apply(change.clone(), *at) {
                    return Ok(Err(illegal));
                }
                working.dirty = true;
                match (change, number) {
                    (Change::Number(number), _) => {
                        let lease =
                            self.lease(id, LeaseKind::Number, String::new(), Some(*number), *at);
                        lease::insert(connection, &lease)?;
                    }
                    (Change::Requeue(_) | Change::Released, Some(_)) => {
                        lease::delete(connection, id, LeaseKind::Number, "")?;
                    }
                    _ => {}
                }
            }
            What::Take { kind, name } => {
                if !matches!(working.record.job.state, State::Running { .. }) {
                    return Ok(illegal("lease anything", "not running"));
                }
                let lease = self.lease(id, *kind, name.clone(), None, *at);
                lease::insert(connection, &lease)?;
            }
            What::GiveBack { kind, name } => lease::delete(connection, id, *kind, name)?,
        }
        Ok(Ok(()))
    }

    /// The job as it would be after all that this batch has done to it.
    fn working(
        &mut self,
        connection: &Connection,
        id: &JobId,
    ) -> Result<Option<&mut Working>, RowError> {
        if !self.changed.contains_key(id) {
            let handle = self.live.find(id);
            let record = match &handle {
                Some(handle) => handle.published().record(),
                None => match table::by_id(connection, id)? {
                    Some(record) => record,
                    None => return Ok(None),
                },
            };
            let working = Working { handle, others: Vec::new(), record, dirty: false };
            self.changed.insert(id.clone(), working);
        }
        Ok(self.changed.get_mut(id))
    }

    fn lease(
        &self,
        job: &JobId,
        kind: LeaseKind,
        name: String,
        number: Option<u32>,
        taken_at: SystemTime,
    ) -> Lease {
        let boot_id = self.boot_id.clone();
        Lease { job: job.clone(), kind, name, number, boot_id, taken_at }
    }

    fn submit(
        &mut self,
        connection: &Connection,
        submission: &Submission,
    ) -> Result<Result<Stored, SubmitError>, RowError> {
        let mut record = submission.handle.published().record();
        if let Some(key) = &record.job.idempotency_key {
            match table::by_key(connection, &record.job.owner, key) {
                Ok(Some(known)) => return Ok(self.known(&record, known)),
                Ok(None) => {}
                Err(error @ RowError::Damaged { .. }) => {
                    return Ok(Err(SubmitError::Write(error.at(&self.path))));
                }
                Err(error) => return Err(error),
            }
        }
        match table::insert(connection, &record) {
            Ok(order) => {
                record.order = order;
                let handle = Arc::clone(&submission.handle);
                self.new.insert(record.job.id.clone(), (handle, record));
                Ok(Ok(Stored::New))
            }
            Err(RowError::Database(error)) if is_of_this_row(&error) => {
                Ok(Err(SubmitError::Write(StoreError::database(&self.path, error))))
            }
            Err(error) => Err(error),
        }
    }

    fn known(&self, asked: &Record, known: Record) -> Result<Stored, SubmitError> {
        if !known.job.spec.asks_as(&asked.job.spec) {
            let key = asked.job.idempotency_key.clone().unwrap_or_default();
            return Err(SubmitError::KeyReused { key, job: known.job.id });
        }
        let id = &known.job.id;
        let handle = match self.new.get(id) {
            Some((handle, _)) => Some(Arc::clone(handle)),
            // One that this batch releases is answered as it will be.
            None => self.live.find(id),
        };
        Ok(handle.map_or_else(|| Stored::Over(Box::new(known)), Stored::Live))
    }

    /// Shows what is durable now.
    pub(super) fn publish(self, live: &Live) -> Answers {
        let Self { changed, new, answers, .. } = self;
        for (handle, record) in new.into_values() {
            handle.publish(record);
            live.insert(handle);
        }
        for working in changed.into_values().filter(|working| working.dirty) {
            let Working { handle, others, record, dirty: _ } = working;
            let released = record.recovery.released;
            for other in others {
                other.publish(record.clone());
            }
            if let Some(handle) = handle {
                handle.publish(record);
                if released {
                    live.remove(handle.id());
                }
            }
        }
        answers
    }
}

fn forget(
    connection: &Connection,
    forgetting: &Forgetting,
) -> Result<Result<(), ForgetError>, RowError> {
    let id = forgetting.id.clone();
    match table::delete(connection, &id) {
        Ok(false) if table::exists(connection, &id)? => Ok(Err(ForgetError::Alive { id })),
        // What is not there is forgotten.
        Ok(_) => Ok(Ok(())),
        Err(RowError::Database(error)) if is_of_this_row(&error) => {
            Ok(Err(ForgetError::Leased { id }))
        }
        Err(error) => Err(error),
    }
}

fn illegal(change: &'static str, standing: &'static str) -> Result<(), IllegalTransition> {
    Err(IllegalTransition { change, standing })
}

/// An error that is none of the disk's: the statement did nothing, the transaction stands.
fn is_of_this_row(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig))
}
