//! Blobs on their way from a registry to the disk, and who waits for them.
//!
//! ```text
//! asked ─▶ open: its size is known ─▶ grows on disk, everyone reads ─▶ verified ─▶ done
//!   │          │                            │ breaks off: goes on from there, some times
//!   │          │                            │ nobody waits for a while: left, to be gone on with
//!   └──────────┴── refused, other size ─────┴── other bytes ──▶ failed: all connections break
//! ```
//! One at a time for a digest of a registry. What another registry sends is another download: one
//! that only claims to have a blob must not be told of it by us.

mod bring;

use std::{
    collections::{BTreeSet, HashMap},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::{
    content::{Chunks, Part},
    digest::Digest,
    name::Host,
    repository::{Repository, Space},
    store::{Store, StoreError},
};

use super::{
    failure::Failure,
    source::{Place, Source},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// A download that nobody waits for goes on for so long.
    pub linger: Duration,
    /// Times that a download goes on after it broke off.
    pub resumes: u32,
    /// Before it goes on; twice as long each time.
    pub pause: Duration,
    /// A registry that sends fewer bytes than these within this time is given up.
    pub slowest: (u64, Duration),
}

#[derive(Clone)]
pub(crate) struct Downloads {
    board: Arc<Board>,
    store: Store,
    source: Arc<dyn Source>,
    patience: Patience,
}

type Key = (Host, Digest);
type Board = Mutex<HashMap<Key, Arc<Shared>>>;

/// What begins one.
pub(crate) struct Order {
    pub at: Place,
    pub digest: Digest,
    /// As its manifest says.
    pub size: Option<u64>,
    /// Given back when it ends.
    pub permit: OwnedSemaphorePermit,
}

/// What the task and all seats have.
struct Shared {
    starter: Place,
    state: watch::Sender<State>,
    readers: mpsc::Sender<ReaderWanted>,
    /// Changed under the board's lock alone, so that whoever leaves the board last knows it.
    seats: Mutex<usize>,
    /// Signalled by the last seat.
    deserted: Notify,
    admitted: Mutex<Admitted>,
}

/// Other repositories of the registry, whose readers it let in.
enum Admitted {
    Waiting(BTreeSet<Repository>),
    Linked,
}

struct ReaderWanted {
    part: Option<Part>,
    answer: oneshot::Sender<Chunks>,
}

#[derive(Clone, Debug)]
pub(crate) enum State {
    Asked,
    /// The registry lets its starter have it.
    Open(Opened),
    Done(Opened),
    /// It was stored in that repository by the time: whether it may be read has to be asked.
    There,
    Failed(Failure),
}

/// What its registry says of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened {
    pub size: u64,
    pub is_public: bool,
}

/// Of someone who waits. The download ends some time after the last one is gone.
pub(crate) struct Seat {
    board: Arc<Board>,
    store: Store,
    key: Key,
    shared: Arc<Shared>,
}

impl Downloads {
    pub(crate) fn new(store: Store, source: Arc<dyn Source>, patience: Patience) -> Self {
        Self { board: Arc::default(), store, source, patience }
    }

    /// Of one that is under way.
    pub(crate) fn join(&self, host: &Host, digest: Digest) -> Option<Seat> {
        let key = (host.clone(), digest);
        let board = lock(&self.board);
        board.get(&key).map(|shared| self.seat(key.clone(), shared))
    }

    /// Begins one, unless there is one.
    pub(crate) fn begin(&self, order: Order) -> Seat {
        let key = (order.at.host.clone(), order.digest);
        let mut board = lock(&self.board);
        if let Some(shared) = board.get(&key) {
            return self.seat(key.clone(), shared);
        }
        let (readers, wanted) = mpsc::channel(16);
        let shared = Arc::new(Shared {
            starter: order.at.clone(),
            state: watch::Sender::new(State::Asked),
            readers,
            seats: Mutex::new(0),
            deserted: Notify::new(),
            admitted: Mutex::new(Admitted::Waiting(BTreeSet::new())),
        });
        board.insert(key.clone(), Arc::clone(&shared));
        let seat = self.seat(key.clone(), &shared);
        let task = bring::Task { downloads: self.clone(), key, shared, order, wanted };
        tokio::spawn(task.run());
        seat
    }

    /// With the board's lock.
    fn seat(&self, key: Key, shared: &Arc<Shared>) -> Seat {
        *lock(&shared.seats) += 1;
        Seat {
            board: Arc::clone(&self.board),
            store: self.store.clone(),
            key,
            shared: Arc::clone(shared),
        }
    }
}

impl Seat {
    /// Whether that the registry gives it to the starter says that it gives it to this one.
    pub(crate) fn is_of(&self, at: &Place) -> bool {
        self.shared.starter == *at
    }

    /// Its registry let readers of this repository in, too. It is linked there when it is whole.
    pub(crate) async fn admit(&self, at: &Place) -> Result<(), StoreError> {
        let repository = at.repository();
        if let Admitted::Waiting(waiting) = &mut *lock(&self.shared.admitted) {
            waiting.insert(repository);
            return Ok(());
        }
        self.store.link(&repository, self.key.1).await.map(drop)
    }

    /// When it is known whether there will be something to read.
    pub(crate) async fn opened(&self) -> State {
        self.wait(|state| !matches!(state, State::Asked)).await
    }

    /// When there is nothing more to come.
    pub(crate) async fn ended(&self) -> State {
        self.wait(|state| !matches!(state, State::Asked | State::Open(_))).await
    }

    /// None: it has ended in the meantime.
    pub(crate) async fn read(&self, part: Option<Part>) -> Option<Chunks> {
        let (answer, answered) = oneshot::channel();
        self.shared.readers.send(ReaderWanted { part, answer }).await.ok()?;
        answered.await.ok()
    }

    async fn wait(&self, is_awaited: impl FnMut(&State) -> bool) -> State {
        let mut state = self.shared.state.subscribe();
        match state.wait_for(is_awaited).await {
            Ok(state) => state.clone(),
            // The sender lives in what this seat holds.
            Err(_) => State::Failed(bring::broken()),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let _board = lock(&self.board);
        let mut seats = lock(&self.shared.seats);
        *seats -= 1;
        if *seats == 0 {
            // Kept for a task that doesn't wait just now.
            self.shared.deserted.notify_one();
        }
    }
}

impl Shared {
    /// Takes it off the board, if nobody waits.
    fn leave(&self, board: &Board, key: &Key) -> bool {
        let mut board = lock(board);
        let is_deserted = *lock(&self.seats) == 0;
        if is_deserted {
            board.remove(key);
        }
        is_deserted
    }

    fn take_admitted(&self) -> BTreeSet<Repository> {
        match mem::replace(&mut *lock(&self.admitted), Admitted::Linked) {
            Admitted::Waiting(waiting) => waiting,
            Admitted::Linked => BTreeSet::new(),
        }
    }
}

impl Place {
    pub(crate) fn repository(&self) -> Repository {
        let space = Space::Mirror { host: self.host.clone() };
        Repository { space, name: self.name.clone() }
    }
}

impl fmt::Debug for Downloads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Downloads").finish_non_exhaustive()
    }
}

/// Nothing panics while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
