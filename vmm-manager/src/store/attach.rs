//! Where a job and the client that is attached to it meet.
//!
//! ```text
//!            expect                 attach
//!  Absent ─────────▶ Expected ─────────────────▶ Here ◀─┐ attach: the new one takes the place
//!    ▲                 │  ▲                       │ │   │
//!    │     give_up     │  └── the client goes ────┘ └───┘
//!    └─────────────────┘                        (every state) ── the job ends ──▶ Over
//! ```
//!
//! Output is no matter of this: the client reads the job's log. Here goes what it sends (stdin,
//! sizes, signals) and what it is told of its stdin. Stdin goes by offset: the job says from which
//! one on it takes it, once an attachment; what the client sends is counted from there; and the
//! client keeps what the job has not said to be taken. What a client had sent and the job had not
//! received when another took its place is dropped, and the new one is told the offset before it.

mod client;
mod job_side;
#[cfg(test)]
mod tests;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

pub use self::{
    client::{Attached, ClientInput, ClientReports, InputError, Report},
    job_side::{Client, ClientEvent},
};

/// Whether somebody is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nobody is there, and nobody is waited for.
    Absent,
    /// Nobody is there yet, or nobody any more.
    Expected {
        until: Instant,
    },
    Here,
    /// The job has ended.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachRefusal {
    #[error("the job was not created with `attach`; read its log instead")]
    NotAsked,
    #[error("the job has ended; read its log instead")]
    Ended,
}

#[derive(Debug)]
pub struct AttachPoint {
    asked: bool,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    presence: watch::Sender<Presence>,
    state: Mutex<PointState>,
    /// Raised for each client that came, for the job's side to take it.
    arrivals: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct PointState {
    /// How many clients there have been: the last one is the one.
    generation: u64,
    /// Cancelled when another takes its place.
    current: Option<CancellationToken>,
    /// The job's ends of a client that it has not taken yet.
    arrived: Option<Client>,
    /// How long a client that goes is waited for.
    patience: Option<Duration>,
}

impl AttachPoint {
    pub(super) fn new(asked: bool) -> Self {
        let shared = Shared {
            presence: watch::Sender::new(Presence::Absent),
            state: Mutex::default(),
            arrivals: watch::Sender::new(0),
        };
        Self { asked, shared: Arc::new(shared) }
    }

    /// Whether the job was created to be attached to.
    pub fn is_asked(&self) -> bool {
        self.asked
    }

    /// The client's side: takes the place of whoever was attached.
    pub fn attach(&self) -> Result<Attached, AttachRefusal> {
        if !self.asked {
            return Err(AttachRefusal::NotAsked);
        }
        let mut state = self.shared.lock();
        if *self.shared.presence.borrow() == Presence::Over {
            return Err(AttachRefusal::Ended);
        }
        let replaced = CancellationToken::new();
        state.generation += 1;
        let (attached, client) = client::pair(&self.shared, state.generation, replaced.clone());
        if let Some(earlier) = state.current.replace(replaced) {
            earlier.cancel();
        }
        let earlier = state.arrived.replace(client);
        self.shared.presence.send_replace(Presence::Here);
        self.shared.arrivals.send_replace(state.generation);
        drop(state);
        drop(earlier);
        Ok(attached)
    }

    pub fn presence(&self) -> Presence {
        *self.shared.presence.borrow()
    }

    pub fn watch_presence(&self) -> watch::Receiver<Presence> {
        self.shared.presence.subscribe()
    }

    /// From now on a client that is not there is waited for, so long each time.
    pub fn expect(&self, patience: Duration) {
        let mut state = self.shared.lock();
        state.patience = Some(patience);
        self.shared.leave_unless(&[Presence::Here, Presence::Over], Some(patience));
    }

    /// Nobody is waited for any more; one that is there stays, and one may still come.
    pub fn give_up(&self) {
        let mut state = self.shared.lock();
        state.patience = None;
        self.shared.leave_unless(&[Presence::Here, Presence::Over], None);
    }

    /// The job's side: the next client that has come, the last one if there were several.
    ///
    /// # Cancel safety
    /// Safe: a client is taken in the same moment in which this returns.
    pub async fn arrival(&self) -> Client {
        let mut arrivals = self.shared.arrivals.subscribe();
        loop {
            // Seen before the look, so a client that comes behind it wakes us.
            arrivals.mark_unchanged();
            if let Some(client) = self.shared.lock().arrived.take() {
                return client;
            }
            if arrivals.changed().await.is_err() {
                // The sender lives as long as this point.
                std::future::pending::<()>().await;
            }
        }
    }

    /// The job has ended: nobody comes any more. Who is attached reads on.
    pub(super) fn close(&self) {
        let mut state = self.shared.lock();
        state.patience = None;
        self.shared.presence.send_replace(Presence::Over);
        let arrived = state.arrived.take();
        drop(state);
        drop(arrived);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, PointState> {
        // Its fields are replaced one by one and each alone makes sense.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client of this generation has gone.
    fn gone(&self, generation: u64) {
        let mut state = self.lock();
        if state.generation != generation {
            return;
        }
        state.current = None;
        self.leave_unless(&[Presence::Over], state.patience);
    }

    /// Called with the state locked.
    fn leave_unless(&self, standing: &[Presence], patience: Option<Duration>) {
        self.presence.send_if_modified(|presence| {
            if standing.contains(presence) {
                return false;
            }
            *presence = patience.map_or(Presence::Absent, |patience| Presence::Expected {
                until: Instant::now() + patience,
            });
            true
        });
    }
}
