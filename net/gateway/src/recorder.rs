//! The record of what happened: a file of lines, each an [`Event`](kiln_net::control::Event).
//!
//! Whoever has something to tell leaves it in memory and goes on; a thread of its own writes. What
//! repeats itself, a refusal or the connections to one host, has one line that is written over in place, so
//! that the file's size is that of what is different. A line lies within one page, and so is written
//! whole or not at all, whatever ends the process; blanks fill it up.
//!
//! What has no room any more is counted in the first line. A disk that is full is tried again.

mod destination;
mod file;
mod flow;
mod ledger;
mod writer;

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    path::Path,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use kiln_net::{
    name::Name,
    record::{Flow, Reason, Refusal, Refused},
};

pub use self::flow::FlowRecord;
use self::{
    file::RecordFile,
    flow::{Counters, Living},
    ledger::Ledger,
};

/// What waits to be written, of each kind; what is over it is lost, and counted.
const MAX_WAITING: usize = 4096;
/// Of a name that is no [`Name`].
const MAX_TEXT: usize = 512;
/// A disk that hangs does not hold up the end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Cheap to clone; all of them write one file.
#[derive(Clone, Debug)]
pub struct Recorder {
    handle: Arc<Handle>,
}

/// The recorders' side, which tells the writer when none is left.
#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// For the writer: something waits.
    told: Condvar,
    /// For who flushes: all of it is written, or has been tried.
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Waiting,
    living: HashMap<u64, Living>,
    last_flow: u64,
    /// Of the writer's rounds, those begun and those ended.
    begun: u64,
    ended: u64,
    /// Somebody waits for a round: no pause before it.
    flushing: bool,
    /// No recorder is left.
    closed: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: Vec<(Name, Vec<IpAddr>)>,
    refusals: Vec<Refusal>,
    flows: Vec<Told>,
    lost: Lost,
}

/// Of a connection.
#[derive(Debug)]
struct Told {
    id: u64,
    flow: Flow,
    ended: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lost {
    flows: u64,
    refusals: u64,
}

impl Recorder {
    /// Writes to the end of `path` until it has `bytes`.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let ledger = Ledger::new(RecordFile::open(path, bytes)?);
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("record".to_owned())
            .spawn(move || writer::run(&writer, ledger))?;
        Ok(Self { handle: Arc::new(Handle { shared }) })
    }

    /// The resolver gave `addresses` for `name`.
    pub fn answered(&self, name: &Name, addresses: &[IpAddr]) {
        self.handle.shared.tell(|waiting| {
            if waiting.answers.len() < MAX_WAITING {
                waiting.answers.push((name.clone(), addresses.to_vec()));
            } else {
                // Flows to them may lack their name.
                waiting.lost.flows += 1;
            }
        });
    }

    /// A question or a connection was refused, once, now.
    pub fn refused(&self, mut what: Refused, reason: Reason) {
        clip(&mut what);
        let now = Some(SystemTime::now());
        self.handle.shared.tell(|waiting| {
            let same = |one: &&mut Refusal| one.reason == reason && one.what == what;
            // What repeats itself mostly does so at once.
            if let Some(last) = waiting.refusals.last_mut().filter(same) {
                last.times += 1;
                last.last = now;
            } else if waiting.refusals.len() < MAX_WAITING {
                waiting.refusals.push(Refusal { what, reason, times: 1, first: now, last: now });
            } else {
                waiting.lost.refusals += 1;
            }
        });
    }

    /// A connection has begun. Its line is there at once, is written anew while it changes, and for
    /// the last time when what is returned is dropped.
    pub fn began(&self, flow: Flow) -> FlowRecord {
        let counters = Arc::new(Counters::default());
        let mut state = self.handle.shared.lock();
        state.last_flow += 1;
        let id = state.last_flow;
        state.living.insert(id, Living { flow, counters: Arc::clone(&counters), told: None });
        drop(state);
        self.handle.shared.told.notify_one();
        FlowRecord { handle: Arc::clone(&self.handle), id, counters }
    }

    /// Returns when all that was told is written, or can't be; before the process ends.
    pub fn flush(&self) {
        let shared = &self.handle.shared;
        let mut state = shared.lock();
        // A round that has begun may have missed what was told last.
        let round = state.begun + 1;
        state.flushing = true;
        shared.told.notify_all();
        let _ = shared
            .written
            .wait_timeout_while(state, FLUSH_LIMIT, |state| state.ended < round)
            .map(drop);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.told.notify_all();
    }
}

impl Shared {
    fn tell(&self, tell: impl FnOnce(&mut Waiting)) {
        tell(&mut self.lock().waiting);
        self.told.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn is_empty(&self) -> bool {
        self.answers.is_empty()
            && self.refusals.is_empty()
            && self.flows.is_empty()
            && self.lost == Lost::default()
    }
}

fn clip(what: &mut Refused) {
    let (Refused::Query { name: text, .. } | Refused::Connection { name: Some(text), .. }) = what
    else {
        return;
    };
    if let Some((end, _)) = text.char_indices().nth(MAX_TEXT) {
        text.truncate(end);
        text.push('…');
    }
}

#[cfg(test)]
mod tests;
