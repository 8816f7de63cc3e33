//! A runner that remembers what it was given, and does with it as it was told.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    job::{JobId, Outcome},
    scheduler::{Runner, Turn},
    store::JobHandle,
};

#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Runs until it is told to finish.
    Hold,
    UntilCancelled,
    /// Gives up before the start, so often for each job, and then completes.
    Again {
        times: u32,
    },
    Panic,
}

#[derive(Debug)]
pub(super) struct FakeRunner {
    order: Order,
    memory: Mutex<Memory>,
    told: Notify,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Memory {
    began: Vec<JobId>,
    adopted: Vec<JobId>,
    finish: HashSet<JobId>,
    tries: HashMap<JobId, u32>,
    running: usize,
    most: usize,
}

impl FakeRunner {
    pub(super) fn new(order: Order) -> Self {
        Self { order, memory: Mutex::default(), told: Notify::new(), changed: Notify::new() }
    }

    pub(super) fn finish(&self, id: &JobId) {
        self.memory.lock().unwrap().finish.insert(id.clone());
        self.told.notify_waiters();
    }

    /// Waits until what it remembers is so.
    pub(super) async fn until(&self, reached: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(self) {
                return;
            }
            changed.await;
        }
    }

    /// In the order of their turns.
    pub(super) fn began(&self) -> Vec<JobId> {
        self.memory.lock().unwrap().began.clone()
    }

    pub(super) fn adopted(&self) -> Vec<JobId> {
        self.memory.lock().unwrap().adopted.clone()
    }

    /// How many ran at once.
    pub(super) fn most(&self) -> usize {
        self.memory.lock().unwrap().most
    }

    async fn serve(&self, job: Arc<JobHandle>) -> Turn {
        match self.order {
            Order::Hold => loop {
                let told = self.told.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if self.memory.lock().unwrap().finish.contains(job.id()) {
                    break;
                }
                told.await;
            },
            Order::UntilCancelled => {
                job.cancellation().cancelled().await;
                job.end(Outcome::Cancelled).detach();
                job.mark_released().await.unwrap();
                return Turn::Over;
            }
            Order::Again { times } => {
                let mut memory = self.memory.lock().unwrap();
                let tries = memory.tries.entry(job.id().clone()).or_default();
                *tries += 1;
                if *tries <= times {
                    return Turn::Again;
                }
            }
            Order::Panic => panic!("as it was told"),
        }
        if !job.recovery().started {
            job.mark_started().detach();
        }
        job.end(Outcome::Completed).detach();
        job.mark_released().await.unwrap();
        Turn::Over
    }

    async fn counted(&self, job: Arc<JobHandle>) -> Turn {
        {
            let mut memory = self.memory.lock().unwrap();
            memory.running += 1;
            memory.most = memory.most.max(memory.running);
        }
        let turn = self.serve(job).await;
        self.memory.lock().unwrap().running -= 1;
        turn
    }
}

#[async_trait]
impl Runner for FakeRunner {
    async fn run(&self, job: Arc<JobHandle>) -> Turn {
        assert!(!job.is_queued(), "its attempt has begun");
        self.memory.lock().unwrap().began.push(job.id().clone());
        self.changed.notify_waiters();
        self.counted(job).await
    }

    async fn adopt(&self, job: Arc<JobHandle>) -> Turn {
        self.memory.lock().unwrap().adopted.push(job.id().clone());
        self.changed.notify_waiters();
        self.counted(job).await
    }
}
