//! Connections that are kept, and how many there are: so many to a host at a time, so few in waiting.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::{
    dial::{Dialer, unreachable},
    failure::Failure,
    route::Route,
};

/// Hyper reads bodies in pieces of at most this size too.
const MAX_HEAD_BYTES: usize = 128 << 10;
const MAX_HEADERS: usize = 100;
const MAX_IDLE: usize = 8;
const MAX_IDLE_AGE: Duration = Duration::from_secs(20);
const MAX_LANES: usize = 256;
/// Until one that was used notices that its last answer is over.
const READY: Duration = Duration::from_millis(250);

pub(super) type Payload = UnsyncBoxBody<Bytes, io::Error>;

pub(super) struct Pool {
    dialer: Dialer,
    connections: usize,
    lanes: Mutex<HashMap<Route, Arc<Lane>>>,
}

/// To one place.
struct Lane {
    slots: Arc<Semaphore>,
    idle: Mutex<Vec<(SendRequest<Payload>, Instant)>>,
}

/// In use by one; given back when its answer was read to the end, else closed.
pub(super) struct Connection {
    pub sender: SendRequest<Payload>,
    /// It may have been closed by the other side in the meantime.
    pub reused: bool,
    lane: Arc<Lane>,
    _slot: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(dialer: Dialer, connections: usize) -> Self {
        Self { dialer, connections, lanes: Mutex::default() }
    }

    pub(super) async fn connection(
        &self,
        route: &Route,
        fresh: bool,
    ) -> Result<Connection, Failure> {
        let lane = self.lane(route);
        // Never closed.
        let slot = lane.slots.clone().acquire_owned().await;
        let slot = slot.map_err(|error| unreachable(error.to_string()))?;
        let kept = || if fresh { None } else { lane.take() };
        while let Some(mut sender) = kept() {
            if matches!(timeout(READY, sender.ready()).await, Ok(Ok(()))) {
                return Ok(Connection { sender, reused: true, lane, _slot: slot });
            }
        }
        let wire = self.dialer.dial(route).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD_BYTES).max_headers(MAX_HEADERS);
        let made = builder.handshake(TokioIo::new(wire)).await;
        let (sender, driver) = made.map_err(|error| unreachable(error.to_string()))?;
        // Ends when nobody holds the sender or the body of its answer, or the other side closes.
        tokio::spawn(driver);
        Ok(Connection { sender, reused: false, lane, _slot: slot })
    }

    fn lane(&self, route: &Route) -> Arc<Lane> {
        let mut lanes = lock(&self.lanes);
        if let Some(lane) = lanes.get(route) {
            return lane.clone();
        }
        if lanes.len() >= MAX_LANES {
            lanes.retain(|_, lane| Arc::strong_count(lane) > 1);
        }
        let slots = Arc::new(Semaphore::new(self.connections));
        let lane = Arc::new(Lane { slots, idle: Mutex::default() });
        lanes.insert(route.clone(), lane.clone());
        lane
    }
}

impl Lane {
    fn take(&self) -> Option<SendRequest<Payload>> {
        let mut idle = lock(&self.idle);
        idle.retain(|(sender, since)| !sender.is_closed() && since.elapsed() < MAX_IDLE_AGE);
        Some(idle.pop()?.0)
    }
}

impl Connection {
    pub(super) fn give_back(self) {
        let Self { sender, lane, .. } = self;
        let mut idle = lock(&lane.idle);
        if idle.len() < MAX_IDLE && !sender.is_closed() {
            idle.push((sender, Instant::now()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
