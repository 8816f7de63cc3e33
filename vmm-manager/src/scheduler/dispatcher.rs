//! The one task that owns the queue.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use super::{
    Budget, Load, Queue, Runner,
    seat::{Seat, Seats},
    turn::{self, Ending, Kind},
};
use crate::{
    admission::{Network, Refusal, admit, admit_egress},
    job::{Failure, FailureClass, JobId, Outcome, State},
    store::{CancelReason, JobHandle},
};

/// Between two looks at everyone's place; a look that takes long is followed by a longer pause, so
/// that places cost at most a twentieth of this task's time.
const REFRESH: Duration = Duration::from_millis(50);
const PAUSE_PER_LOOK: u32 = 20;

#[derive(Debug)]
pub(super) enum Event {
    /// Written down already.
    Submitted(Arc<JobHandle>, Seat),
    Ended(Arc<JobHandle>, Ending),
    Drain,
    /// Drain, and end every job that runs.
    EndAll,
}

#[derive(Debug)]
pub(super) struct Dispatcher {
    runner: Arc<dyn Runner>,
    queue: Queue,
    network: Arc<Network>,
    seats: Seats,
    waiting: HashMap<JobId, (Arc<JobHandle>, Seat)>,
    running: HashMap<JobId, Arc<JobHandle>>,
    /// Turns that have not ended.
    active: usize,
    draining: bool,
    load: watch::Sender<Load>,
    events: mpsc::UnboundedSender<Event>,
    /// Wishes that a waiting job end.
    wishes: mpsc::UnboundedReceiver<JobId>,
    wish: mpsc::UnboundedSender<JobId>,
    /// Places are not as they were published.
    moved: bool,
    next_refresh: Instant,
}

impl Dispatcher {
    pub(super) fn new(
        runner: Arc<dyn Runner>,
        total: Budget,
        network: Arc<Network>,
        seats: Seats,
        events: mpsc::UnboundedSender<Event>,
        recovered: Vec<Arc<JobHandle>>,
    ) -> (Self, watch::Receiver<Load>) {
        let (wish, wishes) = mpsc::unbounded_channel();
        let (load, seen) = watch::channel(Load {
            total,
            in_use: Budget::default(),
            queued: 0,
            running: 0,
            draining: false,
            active: 0,
        });
        let mut dispatcher = Self {
            runner,
            queue: Queue::new(total),
            network,
            seats,
            waiting: HashMap::new(),
            running: HashMap::new(),
            active: 0,
            draining: false,
            load,
            events,
            wishes,
            wish,
            moved: false,
            next_refresh: Instant::now(),
        };
        dispatcher.recover(recovered);
        dispatcher.publish_load();
        (dispatcher, seen)
    }

    /// Those that run hold their share before anything starts, even above the budget.
    fn recover(&mut self, recovered: Vec<Arc<JobHandle>>) {
        for job in recovered {
            match job.snapshot().state {
                State::Queued => self.enter_again(job),
                State::Running { .. } => {
                    self.queue.hold(job.id().clone(), &job.owner().tenant, Budget::of(job.spec()));
                    self.begin(job, Kind::Adopt);
                }
                // What it left on the host is the reconciler's.
                State::Ended { .. } => {}
            }
        }
    }

    pub(super) async fn run(mut self, mut events: mpsc::UnboundedReceiver<Event>) {
        loop {
            self.start_all();
            if self.moved && Instant::now() >= self.next_refresh {
                self.refresh();
            }
            self.publish_load();
            tokio::select! {
                event = events.recv() => {
                    let Some(event) = event else { return };
                    self.take(event);
                    // What came with it goes with it: one look at the queue for all.
                    while let Ok(event) = events.try_recv() {
                        self.take(event);
                    }
                }
                Some(id) = self.wishes.recv() => self.withdraw(&id),
                () = sleep_until(self.next_refresh), if self.moved => {}
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Submitted(job, seat) => self.enter(job, seat),
            Event::Ended(job, ending) => self.ended(job, ending),
            Event::Drain => self.draining = true,
            Event::EndAll => {
                self.draining = true;
                for job in self.running.values() {
                    job.cancel(CancelReason::Shutdown);
                }
            }
        }
    }

    fn enter(&mut self, job: Arc<JobHandle>, seat: Seat) {
        let need = Budget::of(job.spec());
        self.queue.submit(job.id().clone(), &job.owner().tenant, job.order(), need);
        // Behind the entry, so that a wish that is there already finds it.
        job.cancellation().listen(self.wish.clone());
        self.waiting.insert(job.id().clone(), (job, seat));
        self.moved = true;
    }

    fn withdraw(&mut self, id: &JobId) {
        if self.queue.withdraw(id)
            && let Some((job, _)) = self.waiting.remove(id)
        {
            self.moved = true;
            end_in_queue(job, Outcome::Cancelled);
        }
    }

    fn ended(&mut self, job: Arc<JobHandle>, ending: Ending) {
        self.active -= 1;
        if ending == Ending::Left {
            // Its machine still has what it has.
            return;
        }
        self.running.remove(job.id());
        self.queue.finish(job.id());
        self.moved = true;
        if ending == Ending::Queued {
            self.enter_again(job);
        }
    }

    /// A job that was admitted once, perhaps by a daemon with a larger budget or a higher ceiling: one
    /// that does not fit any more would hold up all others.
    fn enter_again(&mut self, job: Arc<JobHandle>) {
        let fits = admit(job.spec(), self.queue.total())
            .and_then(|()| admit_egress(&job.spec().egress, &self.network));
        match fits {
            Ok(()) => {
                let seat = self.seats.take_by_right();
                self.enter(job, seat);
            }
            Err(refusal) => {
                let message = format!("{} {refusal}", refusal.field());
                let failure =
                    Failure::new(FailureClass::Infrastructure, message).with("step", "queue");
                let failure = match refusal {
                    Refusal::TooMuch { limit, .. } => failure.with("limit", limit),
                    Refusal::Egress(_)
                    | Refusal::NoNetwork { .. }
                    | Refusal::NoBuilds(_)
                    | Refusal::NoImages { .. } => failure,
                };
                end_in_queue(job, failure.into());
            }
        }
    }

    fn start_all(&mut self) {
        while !self.draining
            && let Some(id) = self.queue.start()
        {
            if let Some((job, _)) = self.waiting.remove(&id) {
                self.moved = true;
                self.begin(job, Kind::Run);
            }
        }
    }

    fn begin(&mut self, job: Arc<JobHandle>, kind: Kind) {
        self.active += 1;
        self.running.insert(job.id().clone(), Arc::clone(&job));
        let (runner, events) = (Arc::clone(&self.runner), self.events.clone());
        tokio::spawn(async move {
            let ending = turn::take(runner, Arc::clone(&job), kind).await;
            // Without a dispatcher nobody counts any more.
            let _ = events.send(Event::Ended(job, ending));
        });
    }

    fn refresh(&mut self) {
        let began = Instant::now();
        for (id, place) in self.queue.places() {
            if let Some((job, _)) = self.waiting.get(&id) {
                job.set_place(Some(place));
            }
        }
        self.moved = false;
        self.next_refresh = Instant::now() + REFRESH.max(began.elapsed() * PAUSE_PER_LOOK);
    }

    fn publish_load(&self) {
        let load = Load {
            total: self.queue.total(),
            in_use: self.queue.in_use(),
            queued: self.queue.waiting(),
            running: self.queue.running(),
            draining: self.draining,
            active: self.active,
        };
        self.load.send_if_modified(|published| {
            let changed = *published != load;
            *published = load;
            changed
        });
    }
}

/// In a task of its own: a disk that is full must not hold up the queue.
fn end_in_queue(job: Arc<JobHandle>, outcome: Outcome) {
    tokio::spawn(async move { turn::end(&job, outcome, true).await });
}
