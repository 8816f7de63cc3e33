//! Who runs when.
//!
//! ```text
//! submit ─▶ admitted ─▶ durable ─▶ queued ─▶ its turn: attempt begun ─▶ Runner::run ──▶ Over
//!                                    ▲                                      │ Again     ▲
//!                                    └──────────── queued again ◀───────────┤           │
//!                                    recovered, queued: as before           │           │
//!                                    recovered, running: Runner::adopt ─────┴───────────┘
//! ```
//!
//! One task, the dispatcher, owns the queue; each running job has a task of its own that tells the
//! dispatcher how its turn ended. *Failure paths*: a job that is cancelled in the queue ends there;
//! one whose runner panics fails and leaves what it held to the reconciler; while the daemon drains
//! nothing starts, and what waits is on the disk for the next daemon.

mod budget;
mod dispatcher;
mod queue;
mod runner;
mod seat;
#[cfg(test)]
mod tests;
mod turn;

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::{
    budget::Budget,
    queue::Queue,
    runner::{Runner, Turn},
    turn::MOST_ATTEMPTS,
};
use self::{
    dispatcher::{Dispatcher, Event},
    seat::Seats,
};
use crate::{
    admission::{Builds, Images, Network, QueueFull, Refusal, admit, admit_egress, admit_work},
    fault::{Point, at},
    job::{JobSpec, Owner},
    store::{JobHandle, Store, StoreError, SubmitError, Submitted},
};

#[derive(Debug)]
pub struct Scheduler {
    store: Arc<Store>,
    total: Budget,
    /// For one VM: more than the host has would only make them wait for each other.
    most_cpus: u32,
    /// What a job may ask for of it.
    network: Arc<Network>,
    builds: Builds,
    images: Images,
    seats: Seats,
    events: mpsc::UnboundedSender<Event>,
    load: watch::Receiver<Load>,
    /// Ends the dispatcher; jobs that run go on.
    _dispatcher: DropGuard,
}

/// What the host has, and what is taken of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    pub total: Budget,
    pub in_use: Budget,
    pub queued: usize,
    /// That hold a share.
    pub running: usize,
    /// Nothing starts and nothing is taken any more.
    pub draining: bool,
    /// Turns that have not ended.
    active: usize,
}

/// Why a job was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    NotAdmitted(#[from] Refusal),
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    #[error("kilnd is about to stop and takes no new jobs: submit it again later")]
    Draining,
    #[error(transparent)]
    NotStored(#[from] SubmitError),
    #[error("the jobs that there are could not be looked at")]
    Unreadable(#[from] StoreError),
}

impl Scheduler {
    /// With the jobs that the store had when it was opened, in that order. Needs a runtime.
    pub fn start(
        runner: Arc<dyn Runner>,
        store: Arc<Store>,
        total: Budget,
        network: Network,
        max_queued: usize,
        recovered: Vec<Arc<JobHandle>>,
    ) -> Self {
        let (events, taken) = mpsc::unbounded_channel();
        let seats = Seats::new(max_queued);
        let network = Arc::new(network);
        let (dispatcher, load) = Dispatcher::new(
            runner,
            total,
            Arc::clone(&network),
            seats.clone(),
            events.clone(),
            recovered,
        );
        let gone = CancellationToken::new();
        tokio::spawn(gone.clone().run_until_cancelled_owned(dispatcher.run(taken)));
        let most_cpus = total.cpus;
        Self {
            store,
            total,
            most_cpus,
            network,
            builds: Ok(()),
            images: Ok(()),
            seats,
            events,
            load,
            _dispatcher: gone.drop_guard(),
        }
    }

    /// Gives no VM more virtual CPUs than this.
    #[must_use]
    pub fn with_most_cpus(self, most_cpus: u32) -> Self {
        Self { most_cpus: most_cpus.min(self.total.cpus), ..self }
    }

    /// Refuses builds where it is told why.
    #[must_use]
    pub fn with_builds(self, builds: Builds) -> Self {
        Self { builds, ..self }
    }

    /// Refuses what is made of an image that nobody sends where it is told why.
    #[must_use]
    pub fn with_images(self, images: Images) -> Self {
        Self { images, ..self }
    }

    /// Admits, writes down and queues a job. A key that stands for a job already answers with it,
    /// even where a new one would be refused.
    ///
    /// # Cancel safety
    /// Safe: a job that was written down is queued, whoever waits for it.
    pub async fn submit(
        &self,
        owner: Owner,
        spec: JobSpec,
        key: Option<String>,
    ) -> Result<Arc<JobHandle>, Refused> {
        self.submit_with(owner, spec, key, |_| ()).await
    }

    /// The same, and `entrust` is called with the job before it can have its turn: for what is
    /// written down nowhere. A job that was there already is handed to it too.
    ///
    /// # Cancel safety
    /// Safe, likewise.
    pub async fn submit_with(
        &self,
        owner: Owner,
        spec: JobSpec,
        key: Option<String>,
        entrust: impl FnOnce(&JobHandle) + Send + 'static,
    ) -> Result<Arc<JobHandle>, Refused> {
        let seat = match self.admission(&spec) {
            Ok(seat) => seat,
            Err(refused) => return self.known(&owner, &spec, key.as_deref(), refused).await,
        };
        let (store, events) = (Arc::clone(&self.store), self.events.clone());
        let submit = async move {
            at(Point::Submitting);
            let submitted = store.submit(owner, spec, key).await?;
            at(Point::Submitted);
            entrust(submitted.handle());
            if let Submitted::New(handle) = &submitted {
                // A dispatcher that is gone went with the daemon, and the next one has the job.
                let _ = events.send(Event::Submitted(Arc::clone(handle), seat));
            }
            Ok(Arc::clone(submitted.handle()))
        };
        match tokio::spawn(submit).await {
            Ok(submitted) => submitted,
            // Only a runtime that goes down ends the task, or a panic, which is told there.
            Err(_) => Err(Refused::NotStored(SubmitError::Write(StoreError::Closed))),
        }
    }

    pub fn load(&self) -> Load {
        *self.load.borrow()
    }

    pub fn watch_load(&self) -> watch::Receiver<Load> {
        self.load.clone()
    }

    /// From now on nothing starts and nothing is taken.
    pub fn drain(&self) {
        let _ = self.events.send(Event::Drain);
    }

    /// Resolves when it drains and no turn is under way.
    ///
    /// # Cancel safety
    /// Safe: waiting changes nothing.
    pub async fn idle(&self) {
        // The dispatcher lives as long as this.
        let _ = self.load.clone().wait_for(|load| load.draining && load.active == 0).await;
    }

    /// Drains, ends every job that runs, and waits until all is given back. What waits in the
    /// queue is for the next daemon.
    pub async fn shut_down(&self) {
        let _ = self.events.send(Event::EndAll);
        self.idle().await;
    }

    fn admission(&self, spec: &JobSpec) -> Result<seat::Seat, Refused> {
        if self.load.borrow().draining {
            return Err(Refused::Draining);
        }
        admit(spec, Budget { cpus: self.most_cpus, ..self.total })?;
        admit_work(spec, self.builds, self.images)?;
        admit_egress(&spec.egress, &self.network)?;
        Ok(self.seats.take()?)
    }

    async fn known(
        &self,
        owner: &Owner,
        spec: &JobSpec,
        key: Option<&str>,
        refused: Refused,
    ) -> Result<Arc<JobHandle>, Refused> {
        let Some(key) = key else { return Err(refused) };
        match self.store.find_by_key(owner, key).await? {
            Some(known) if known.spec().asks_as(spec) => Ok(known),
            Some(known) => {
                let (key, job) = (key.to_owned(), known.id().clone());
                Err(Refused::NotStored(SubmitError::KeyReused { key, job }))
            }
            None => Err(refused),
        }
    }
}
