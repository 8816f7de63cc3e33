//! Every command of the guest: those with an id for its whole life, the others while they run.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tonic::Status;

use super::{
    run::{Run, Seat},
    start::{Begun, Start},
};

/// More than a job has ever asked for at once; each may hold a few chunks of memory.
const MAX_RUNNING: usize = 64;
/// A job's command, and the shells beside it; each may hold a window of memory for ever.
const MAX_NAMED: usize = 16;
const MAX_ID_BYTES: usize = 64;

#[derive(Debug, Default)]
pub(crate) struct Register(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    named: HashMap<String, Named>,
    /// All that run, with an id or without.
    running: Vec<Weak<Run>>,
}

#[derive(Debug)]
struct Named {
    begun: Begun,
    run: Arc<Run>,
}

/// A command to which a stream has come.
pub(super) struct Entered {
    pub(super) run: Arc<Run>,
    pub(super) seat: Seat,
    /// What is to be started, when the stream is the command's first.
    pub(super) new: Option<Start>,
}

impl Register {
    /// Finds the command, or enters a new one. Both under one lock: of two streams with the same
    /// id, one starts it.
    pub(super) fn enter(&self, start: Start) -> Result<Entered, Status> {
        let (begun, offset) = start.begun();
        let id = start.id();
        check_id(id)?;
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(named) = entries.named.get(id) {
            if named.begun != begun {
                return Err(Status::invalid_argument(format!(
                    "command {id:?} was started before, and differently"
                )));
            }
            let run = Arc::clone(&named.run);
            let seat = run.sit(offset);
            let seat = seat.map_err(|error| Status::failed_precondition(error.to_string()))?;
            return Ok(Entered { run, seat, new: None });
        }
        if offset != 0 {
            return Err(Status::failed_precondition(format!(
                "no command was started as {id:?}: there is no output up to {offset}"
            )));
        }
        entries.running.retain(|run| run.strong_count() > 0);
        if entries.running.len() >= MAX_RUNNING {
            return Err(Status::resource_exhausted(format!("{MAX_RUNNING} commands run already")));
        }
        let run = Arc::new(Run::new(&start));
        // Nothing is forgotten before the beginning.
        let seat = run.sit(0).unwrap_or_default();
        if !id.is_empty() {
            if entries.named.len() >= MAX_NAMED {
                return Err(Status::resource_exhausted(format!(
                    "{MAX_NAMED} commands have had an id already"
                )));
            }
            entries.named.insert(id.to_owned(), Named { begun, run: Arc::clone(&run) });
        }
        entries.running.push(Arc::downgrade(&run));
        Ok(Entered { run, seat, new: Some(start) })
    }

    pub(super) fn all(&self) -> Vec<Arc<Run>> {
        let entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.running.iter().filter_map(Weak::upgrade).collect()
    }
}

fn check_id(id: &str) -> Result<(), Status> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if id.len() <= MAX_ID_BYTES && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Status::invalid_argument(format!(
        "id {id:?} is not made of at most {MAX_ID_BYTES} letters, digits and dashes"
    )))
}
