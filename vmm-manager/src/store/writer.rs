//! The one thread that writes.
//!
//! ```text
//!   ops ──▶ all that wait ──▶ one transaction ──▶ COMMIT ──▶ published, then answered
//!              ▲                                    │ failed
//!              └── changes, behind a back-off ◀─────┴──▶ submits: answered with the error
//! ```
//!
//! *Happy path*: whatever has come in while the last commit was made goes into the next one, so a
//! disk that syncs slowly makes larger groups, not longer queues.
//! *Failure paths*: a change cannot be refused, since the thing has happened: changes are kept, in
//! order, and tried again for as long as the daemon lives. A submit can: it is answered, and a new
//! one tries the disk at once, so the store is well again with the first write that succeeds.
//!
//! A COMMIT that failed may be on the disk all the same (see `error`), where only a restart would
//! read it. This process goes by what its connection sees, which is the state before; its next
//! commit is written over the doubtful one and ends the doubt. So a submit whose commit is in doubt
//! is answered as refused only behind such a commit, the fence, and as in doubt where that fails
//! too. For changes nothing depends on it: they are tried again and come to the same.

mod batch;
mod patience;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant, SystemTime},
};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use self::{
    batch::{Also, Batch},
    patience::Patience,
};
use super::{
    ForgetError, Health, IllegalTransition, JobHandle, StoreError, SubmitError,
    change::{Change, Record},
    lease::LeaseKind,
    live::Live,
    published::Published,
    schema,
};
use crate::job::JobId;

/// Of one transaction: bounds how long its first op waits for its last.
const MOST_OPS: usize = 1024;

#[derive(Debug)]
pub(super) enum Op {
    Mutate(Mutation),
    Submit(Submission),
    Forget(Forgetting),
    /// Answered when everything before it has been tried.
    Flush(oneshot::Sender<()>),
    Close(Closing),
}

/// A change of a job: never refused for the disk's sake.
#[derive(Debug)]
pub(super) struct Mutation {
    pub(super) id: JobId,
    /// Of the handle on which it was asked for, which is not the live one if the job is over.
    pub(super) published: Arc<Published>,
    pub(super) what: What,
    pub(super) at: SystemTime,
    pub(super) answer: oneshot::Sender<Result<(), IllegalTransition>>,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Change(Change),
    Take { kind: LeaseKind, name: String },
    GiveBack { kind: LeaseKind, name: String },
}

#[derive(Debug)]
pub(super) struct Submission {
    pub(super) handle: Arc<JobHandle>,
    pub(super) answer: oneshot::Sender<Result<Stored, SubmitError>>,
}

/// What a submission came to.
#[derive(Debug)]
pub(super) enum Stored {
    New,
    /// Under the same key, with the same request.
    Live(Arc<JobHandle>),
    Over(Box<Record>),
}

#[derive(Debug)]
pub(super) struct Forgetting {
    pub(super) id: JobId,
    pub(super) answer: oneshot::Sender<Result<(), ForgetError>>,
}

#[derive(Debug)]
pub(super) struct Closing {
    /// Until when changes that cannot be written are tried again.
    pub(super) deadline: Instant,
    /// How many changes were given up.
    pub(super) answer: Option<oneshot::Sender<usize>>,
}

/// What can be answered with an error.
#[derive(Debug)]
enum Request {
    Submit(Submission),
    Forget(Forgetting),
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) path: PathBuf,
    pub(super) connection: Connection,
    pub(super) ops: mpsc::Receiver<Op>,
    pub(super) live: Arc<Live>,
    pub(super) health: watch::Sender<Health>,
    pub(super) boot_id: String,
}

/// What one look at the ops has brought.
#[derive(Debug, Default)]
struct Taken {
    requests: Vec<Request>,
    flushes: Vec<oneshot::Sender<()>>,
    closing: Option<Closing>,
}

impl Writer {
    /// Returns when it is told to close, or when nobody is left who could ask for anything.
    pub(super) fn run(mut self) {
        let mut waiting = VecDeque::new();
        let mut patience = Patience::default();
        let mut doubt = false;
        let mut closing: Option<Closing> = None;
        loop {
            let Some(taken) = self.take(&mut waiting, &patience, closing.as_ref()) else { break };
            closing = closing.or(taken.closing);
            self.round(&mut waiting, taken.requests, &mut patience, &mut doubt);
            for flush in taken.flushes {
                let _ = flush.send(());
            }
            if let Some(closing) = &closing
                && (waiting.is_empty() || Instant::now() >= closing.deadline)
            {
                break;
            }
        }
        let given_up = waiting.len();
        if given_up > 0 {
            tracing::error!(given_up, "the store is closed with changes that could not be written");
        }
        // The ops go first: whoever asks from here on is told that the store is closed.
        let Self { connection, ops, .. } = self;
        drop((ops, connection));
        if let Some(answer) = closing.and_then(|closing| closing.answer) {
            let _ = answer.send(given_up);
        }
    }

    /// Waits for something to do, and takes all there is of it.
    fn take(
        &self,
        waiting: &mut VecDeque<Mutation>,
        patience: &Patience,
        closing: Option<&Closing>,
    ) -> Option<Taken> {
        let mut taken = Taken::default();
        let mut add = |op, waiting: &mut VecDeque<Mutation>| match op {
            Op::Mutate(mutation) => {
                waiting.push_back(mutation);
                false
            }
            Op::Submit(submission) => {
                taken.requests.push(Request::Submit(submission));
                true
            }
            Op::Forget(forgetting) => {
                taken.requests.push(Request::Forget(forgetting));
                true
            }
            Op::Flush(answer) => {
                taken.flushes.push(answer);
                true
            }
            Op::Close(closing) => {
                taken.closing.get_or_insert(closing);
                true
            }
        };
        let mut urgent = false;
        while !urgent {
            let deadline = closing.map(|closing| closing.deadline);
            let again = patience.next_try().map(|next| deadline.map_or(next, |end| next.min(end)));
            let op = match again {
                // What failed is tried again, even where it was only a request: so the store is
                // well again without being asked. Until then only requests make us look.
                Some(again) => {
                    match self.ops.recv_timeout(again.saturating_duration_since(Instant::now())) {
                        Ok(op) => op,
                        Err(mpsc::RecvTimeoutError::Timeout) => break,
                        Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                    }
                }
                None => self.ops.recv().ok()?,
            };
            urgent = add(op, waiting) || again.is_none();
        }
        for op in self.ops.try_iter().take(MOST_OPS) {
            add(op, waiting);
        }
        Some(taken)
    }

    fn round(
        &mut self,
        waiting: &mut VecDeque<Mutation>,
        requests: Vec<Request>,
        patience: &mut Patience,
        doubt: &mut bool,
    ) {
        let also = match (*doubt, patience.next_try()) {
            // A commit of nothing proves nothing.
            (_, Some(_)) if waiting.is_empty() && requests.is_empty() => Also::Probe,
            (true, _) => Also::Fence,
            (false, _) => Also::Nothing,
        };
        let failure = match self.commit(waiting, &requests, also) {
            Ok(batch) => {
                *doubt = false;
                self.recovered(patience);
                self.conclude(batch, waiting, requests);
                return;
            }
            Err(failure) => failure,
        };
        let in_doubt = failure.in_doubt;
        *doubt |= in_doubt;
        // Without the requests there may be room for what cannot be refused; and whatever is
        // written now ends the doubt.
        let mut last = failure.error.clone();
        if !requests.is_empty() && (in_doubt || !waiting.is_empty()) {
            match self.commit(waiting, &[], Also::Fence) {
                Ok(batch) => {
                    *doubt = false;
                    self.conclude(batch, waiting, Vec::new());
                }
                Err(second) => {
                    *doubt |= second.in_doubt;
                    last = second.error;
                }
            }
        }
        self.failed(patience, last, waiting.len());
        for request in requests {
            refuse(request, &failure.error, in_doubt && *doubt);
        }
    }

    /// One transaction. After an error nothing of it is seen by this process.
    fn commit(
        &mut self,
        waiting: &VecDeque<Mutation>,
        requests: &[Request],
        also: Also,
    ) -> Result<Batch, batch::Failure> {
        if !self.connection.is_autocommit() {
            // A rollback that failed: a new connection begins without the transaction.
            self.connection = schema::open_for_writing(&self.path)
                .map_err(|error| batch::Failure { error, in_doubt: false })?;
        }
        let mut batch = Batch::new(&self.path, &self.live, &self.boot_id);
        batch.write(&mut self.connection, waiting, requests, also)?;
        Ok(batch)
    }

    fn conclude(&self, batch: Batch, waiting: &mut VecDeque<Mutation>, requests: Vec<Request>) {
        let answers = batch.publish(&self.live);
        for (mutation, answer) in waiting.drain(..).zip(answers.mutations) {
            let id = mutation.id;
            if let Err(Err(illegal)) = mutation.answer.send(answer) {
                // Nobody waits for it, so nobody else tells.
                tracing::error!(job = %id, error = %illegal, "a change of a job was refused");
            }
        }
        let mut stored = answers.submissions.into_iter();
        let mut forgotten = answers.forgettings.into_iter();
        for request in requests {
            // Whoever does not wait for the answer finds the job by its key.
            match request {
                Request::Submit(submission) => {
                    let Some(stored) = stored.next() else { continue };
                    let _ = submission.answer.send(stored);
                }
                Request::Forget(forgetting) => {
                    let Some(forgotten) = forgotten.next() else { continue };
                    let _ = forgetting.answer.send(forgotten);
                }
            }
        }
    }

    fn recovered(&self, patience: &mut Patience) {
        if patience.reset() {
            tracing::info!(path = %self.path.display(), "the store can write again");
            self.health.send_replace(Health::Well);
        }
    }

    fn failed(&self, patience: &mut Patience, error: StoreError, waiting: usize) {
        let first = patience.lengthen();
        if first {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(%error, source, waiting, "the store cannot write; it is tried again");
        }
        self.health.send_modify(|health| {
            let since = match health {
                Health::Failing { since, .. } => *since,
                Health::Well => SystemTime::now(),
            };
            *health = Health::Failing { since, error, waiting };
        });
    }
}

fn refuse(request: Request, error: &StoreError, in_doubt: bool) {
    let error = error.clone();
    match request {
        Request::Submit(submission) => {
            let id = submission.handle.id().clone();
            let refused = if in_doubt {
                SubmitError::InDoubt { id, source: error }
            } else {
                SubmitError::Write(error)
            };
            let _ = submission.answer.send(Err(refused));
        }
        Request::Forget(forgetting) => {
            let _ = forgetting.answer.send(Err(ForgetError::Write(error)));
        }
    }
}

/// How long a daemon that goes down lets changes be tried again.
pub(super) fn deadline(limit: Duration) -> Instant {
    Instant::now() + limit
}
