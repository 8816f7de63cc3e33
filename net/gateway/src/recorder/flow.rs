//! A connection while it lasts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use kiln_net::record::Flow;

use super::{Handle, MAX_WAITING, State, Told};

/// Counted by those who copy, read by the writer. Each stands for itself: nothing else is ordered
/// by them.
#[derive(Debug, Default)]
pub(super) struct Counters {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Counters {
    fn now(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
pub(super) struct Living {
    pub(super) flow: Flow,
    pub(super) counters: Arc<Counters>,
    /// What the counters were when it was told last.
    pub(super) told: Option<(u64, u64)>,
}

impl Living {
    /// As it is now, unless it was told so already.
    fn tell(&mut self) -> Option<Flow> {
        let now = self.counters.now();
        let first = self.told.is_none();
        if self.told.replace(now) == Some(now) {
            return None;
        }
        (self.flow.sent_bytes, self.flow.received_bytes) = now;
        if !first {
            self.flow.last = SystemTime::now();
        }
        Some(self.flow.clone())
    }
}

impl State {
    /// All that have changed; `news`: only those that were never told.
    pub(super) fn tell_living(&mut self, news: bool) {
        for (id, living) in &mut self.living {
            if (!news || living.told.is_none())
                && let Some(flow) = living.tell()
            {
                self.waiting.flows.push(Told { id: *id, flow, ended: false });
            }
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.living.values().any(|living| living.told.is_none())
    }
}

/// Of one connection, held for as long as it lasts.
#[derive(Debug)]
pub struct FlowRecord {
    pub(super) handle: Arc<Handle>,
    pub(super) id: u64,
    pub(super) counters: Arc<Counters>,
}

impl FlowRecord {
    /// By the guest.
    pub fn sent(&self, bytes: usize) {
        self.counters.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// By the guest.
    pub fn received(&self, bytes: usize) {
        self.counters.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Differs when something was sent or received meanwhile.
    pub fn moved(&self) -> (u64, u64) {
        self.counters.now()
    }
}

impl Drop for FlowRecord {
    fn drop(&mut self) {
        let shared = &self.handle.shared;
        let mut state = shared.lock();
        let Some(mut living) = state.living.remove(&self.id) else { return };
        (living.flow.sent_bytes, living.flow.received_bytes) = living.counters.now();
        living.flow.last = SystemTime::now();
        if state.waiting.flows.len() < MAX_WAITING {
            state.waiting.flows.push(Told { id: self.id, flow: living.flow, ended: true });
        } else {
            state.waiting.lost.flows += 1;
        }
        drop(state);
        shared.told.notify_one();
    }
}
