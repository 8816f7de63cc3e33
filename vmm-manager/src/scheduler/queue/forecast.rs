//! In which order waiting jobs would start if there were room for all of them.

use std::collections::{BTreeSet, HashMap, HashSet, btree_map};

use super::Queue;
use crate::{job::JobId, scheduler::budget::Budget};

/// Plays the queue's rules forward. When everything fits, each start is the head of its tenant.
pub(super) struct Forecast<'queue> {
    queue: &'queue Queue,
    /// Share, arrival of the head, name.
    turns: BTreeSet<(u64, u64, &'queue str)>,
    tenants: HashMap<&'queue str, Tenant<'queue>>,
    arrivals: std::iter::Peekable<btree_map::Keys<'queue, u64, JobId>>,
    started: HashSet<u64>,
    passes: u64,
}

struct Tenant<'queue> {
    used: Budget,
    waiting: btree_map::Iter<'queue, u64, JobId>,
}

impl<'queue> Forecast<'queue> {
    pub(super) fn of(queue: &'queue Queue) -> Self {
        let mut tenants = HashMap::new();
        let mut turns = BTreeSet::new();
        for turn in &queue.turns {
            let name = turn.tenant.as_str();
            if let Some(tenant) = queue.tenants.get(name) {
                turns.insert((turn.share, turn.arrival, name));
                tenants.insert(name, Tenant { used: tenant.used, waiting: tenant.waiting.iter() });
            }
        }
        let arrivals = queue.arrivals.keys().peekable();
        Self { queue, turns, tenants, arrivals, started: HashSet::new(), passes: queue.passes }
    }

    /// The turn of the tenant whose head it is.
    fn turn_of(&self, arrival: u64) -> Option<(u64, u64, &'queue str)> {
        let name = &self.queue.waiting[&self.queue.arrivals[&arrival]].tenant;
        let (name, tenant) = self.tenants.get_key_value(name.as_str())?;
        Some((tenant.used.share_of(self.queue.total), arrival, name))
    }
}

impl<'queue> Iterator for Forecast<'queue> {
    type Item = &'queue JobId;

    fn next(&mut self) -> Option<&'queue JobId> {
        while self.arrivals.next_if(|arrival| self.started.contains(*arrival)).is_some() {}
        let oldest = **self.arrivals.peek()?;
        let forced = self.passes >= self.queue.patience();
        let turn = if forced { self.turn_of(oldest)? } else { self.turns.first().copied()? };
        self.turns.remove(&turn);
        let (_, arrival, name) = turn;
        let tenant = self.tenants.get_mut(name)?;
        let (_, id) = tenant.waiting.next()?;
        tenant.used = tenant.used.plus(self.queue.waiting[id].need);
        if let Some((&head, _)) = tenant.waiting.clone().next() {
            self.turns.insert((tenant.used.share_of(self.queue.total), head, name));
        }
        self.started.insert(arrival);
        self.passes = if arrival == oldest { 0 } else { self.passes + 1 };
        Some(id)
    }
}
