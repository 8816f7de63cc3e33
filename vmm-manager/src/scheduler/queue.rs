//! Who is next. Pure: nothing here waits, measures or writes.
//!
//! Tenants take turns: next is the tenant whose running jobs have the least share of the host,
//! where a share is the largest part of any one budget; equal shares go by arrival. Within a tenant
//! jobs go by arrival. A job that does not fit in what is free lets others pass, first of its own
//! tenant and then of the next; but the job that has waited longest of all is passed only so often,
//! and then nothing starts before it. So it runs when enough others have ended, whatever comes in,
//! and then another one is the oldest: every job that fits the host alone has its turn.

mod forecast;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use self::forecast::Forecast;
use super::budget::Budget;
use crate::job::{JobId, QueuePlace, WaitsFor};

/// How many of a tenant's jobs are looked at when the first ones do not fit.
const WINDOW: usize = 8;
/// How often the oldest job is passed, and how often more for each tenant that has its turn before
/// it by right.
const PASSES: u64 = 16;
const PASSES_A_TENANT: u64 = 4;

#[derive(Clone, Debug)]
pub struct Queue {
    total: Budget,
    used: Budget,
    tenants: HashMap<String, Tenant>,
    /// Tenants with waiting jobs, next one first.
    turns: BTreeSet<Turn>,
    /// Every waiting job, oldest first.
    arrivals: BTreeMap<u64, JobId>,
    waiting: HashMap<JobId, Waiting>,
    running: HashMap<JobId, Running>,
    /// How many jobs have started since the oldest one became the oldest.
    passes: u64,
    #[cfg(test)]
    unbounded: bool,
}

#[derive(Clone, Debug, Default)]
struct Tenant {
    used: Budget,
    /// By arrival.
    waiting: BTreeMap<u64, JobId>,
    running: usize,
    /// As it stands in `turns`.
    turn: Option<Turn>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    share: u64,
    arrival: u64,
    tenant: String,
}

#[derive(Clone, Debug)]
struct Waiting {
    tenant: String,
    arrival: u64,
    need: Budget,
}

#[derive(Clone, Debug)]
struct Running {
    tenant: String,
    need: Budget,
}

impl Queue {
    pub fn new(total: Budget) -> Self {
        Self {
            total,
            used: Budget::default(),
            tenants: HashMap::new(),
            turns: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            waiting: HashMap::new(),
            running: HashMap::new(),
            passes: 0,
            #[cfg(test)]
            unbounded: false,
        }
    }

    /// Arrivals are told apart by their numbers. The caller has made sure that the job fits into
    /// the whole budget; one that does not would hold up all others in the end.
    pub fn submit(&mut self, id: JobId, tenant: &str, arrival: u64, need: Budget) {
        let oldest = self.oldest();
        self.arrivals.insert(arrival, id.clone());
        let owner = self.tenants.entry(tenant.to_owned()).or_default();
        owner.waiting.insert(arrival, id.clone());
        self.waiting.insert(id, Waiting { tenant: tenant.to_owned(), arrival, need });
        self.settle(tenant, oldest);
    }

    /// A job that runs already: it has its share, whether or not that is within the budget.
    pub fn hold(&mut self, id: JobId, tenant: &str, need: Budget) {
        let oldest = self.oldest();
        self.used = self.used.plus(need);
        let owner = self.tenants.entry(tenant.to_owned()).or_default();
        owner.used = owner.used.plus(need);
        owner.running += 1;
        self.running.insert(id, Running { tenant: tenant.to_owned(), need });
        self.settle(tenant, oldest);
    }

    /// False when it does not wait.
    pub fn withdraw(&mut self, id: &JobId) -> bool {
        let oldest = self.oldest();
        let Some(Waiting { tenant, .. }) = self.remove_waiting(id) else { return false };
        self.settle(&tenant, oldest);
        true
    }

    /// Gives back a running job's share. False when it does not run.
    pub fn finish(&mut self, id: &JobId) -> bool {
        let oldest = self.oldest();
        let Some(Running { tenant, need }) = self.running.remove(id) else { return false };
        self.used = self.used.minus(need);
        if let Some(owner) = self.tenants.get_mut(&tenant) {
            owner.used = owner.used.minus(need);
            owner.running -= 1;
        }
        self.settle(&tenant, oldest);
        true
    }

    /// Starts a job, if there is one that may start now.
    pub fn start(&mut self) -> Option<JobId> {
        let id = self.choice()?.clone();
        let oldest = self.oldest();
        let Waiting { tenant, arrival, need } = self.remove_waiting(&id)?;
        self.hold(id.clone(), &tenant, need);
        self.passes = if oldest == Some(arrival) { 0 } else { self.passes + 1 };
        Some(id)
    }

    fn choice(&self) -> Option<&JobId> {
        let free = self.free();
        let fits = |id: &&JobId| free.lacks(self.waiting[*id].need).is_none();
        if let Some(forced) = self.forced() {
            return Some(forced).filter(fits);
        }
        self.turns
            .iter()
            .filter_map(|turn| self.tenants.get(&turn.tenant))
            .find_map(|tenant| tenant.waiting.values().take(WINDOW).find(fits))
    }

    /// The oldest job, once it has been passed so often that nothing may start before it.
    fn forced(&self) -> Option<&JobId> {
        self.arrivals.values().next().filter(|_| self.passes >= self.patience())
    }

    fn patience(&self) -> u64 {
        PASSES + PASSES_A_TENANT * self.tenants.len() as u64
    }

    fn free(&self) -> Budget {
        #[cfg(test)]
        if self.unbounded {
            let most = u64::MAX;
            return Budget { cpus: u32::MAX, memory_bytes: most, disk_bytes: most, vms: u32::MAX };
        }
        self.total.minus(self.used)
    }

    /// Every waiting job with its place, in the order in which they would start if there were room
    /// and nothing else happened. Looks at each of them once.
    pub fn places(&self) -> Vec<(JobId, QueuePlace)> {
        let free = self.free();
        let place = |(index, id): (usize, &JobId)| {
            let waits_for = free.lacks(self.waiting[id].need).unwrap_or(WaitsFor::Turn);
            let position = u32::try_from(index + 1).unwrap_or(u32::MAX);
            (id.clone(), QueuePlace { position, waits_for })
        };
        Forecast::of(self).enumerate().map(place).collect()
    }

    /// As if everything fitted, shares being what they are.
    #[cfg(test)]
    fn room_for_all(&mut self) {
        self.unbounded = true;
    }

    pub fn total(&self) -> Budget {
        self.total
    }

    pub fn in_use(&self) -> Budget {
        self.used
    }

    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub fn running(&self) -> usize {
        self.running.len()
    }

    fn oldest(&self) -> Option<u64> {
        self.arrivals.keys().next().copied()
    }

    fn remove_waiting(&mut self, id: &JobId) -> Option<Waiting> {
        let waiting = self.waiting.remove(id)?;
        self.arrivals.remove(&waiting.arrival);
        if let Some(tenant) = self.tenants.get_mut(&waiting.tenant) {
            tenant.waiting.remove(&waiting.arrival);
        }
        Some(waiting)
    }

    /// Brings a tenant's turn up to what it has and waits for, and begins to count anew when
    /// another job than `oldest` is the oldest now.
    fn settle(&mut self, name: &str, oldest: Option<u64>) {
        if self.oldest() != oldest {
            self.passes = 0;
        }
        let Some(tenant) = self.tenants.get_mut(name) else { return };
        if let Some(turn) = tenant.turn.take() {
            self.turns.remove(&turn);
        }
        match tenant.waiting.keys().next() {
            Some(&arrival) => {
                let share = tenant.used.share_of(self.total);
                let turn = Turn { share, arrival, tenant: name.to_owned() };
                self.turns.insert(turn.clone());
                tenant.turn = Some(turn);
            }
            None if tenant.running == 0 => {
                self.tenants.remove(name);
            }
            None => {}
        }
    }
}
