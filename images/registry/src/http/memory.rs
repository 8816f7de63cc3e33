//! How much of manifests and lists is in memory at once: what is being received, and what clients
//! have not taken yet. So much for each caller, so that none takes it from the others, and so much for
//! the host.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    caller::Caller,
    problem::{Code, Problem},
};

const HOST_BYTES: usize = 256 << 20;
const CALLER_BYTES: usize = 32 << 20;
/// Permits stand for so many: there are fewer of them than bytes.
const UNIT: usize = 1 << 10;
/// So long may somebody wait for others, or for its own requests of before.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Memory {
    host: Arc<Semaphore>,
    /// Of those that have some or wait for it; others are forgotten when another one comes.
    callers: Mutex<HashMap<Who, Weak<Semaphore>>>,
}

/// A guest, or all local clients of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Who {
    tenant: String,
    job: Option<String>,
}

/// Room that was taken, until it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    /// It keeps the caller's semaphore known.
    own: OwnedSemaphorePermit,
    host: OwnedSemaphorePermit,
}

/// Bytes with the room they take.
struct Kept {
    bytes: Bytes,
    _room: Room,
}

impl Default for Memory {
    fn default() -> Self {
        Self { host: Arc::new(Semaphore::new(HOST_BYTES / UNIT)), callers: Mutex::default() }
    }
}

impl Memory {
    /// # Cancel safety
    /// Dropped, it takes nothing.
    pub(crate) async fn take(&self, caller: &Caller, bytes: usize) -> Result<Room, Problem> {
        let units = units(bytes);
        let own = self.of(caller);
        let host = Arc::clone(&self.host);
        let taken = async move {
            // The caller's own first: who waits for its own requests takes nothing of the host's.
            let own = own.acquire_many_owned(units).await.ok()?;
            let host = host.acquire_many_owned(units).await.ok()?;
            Some(Room { own, host })
        };
        timeout(PATIENCE, taken).await.ok().flatten().ok_or_else(|| {
            let message = "too many manifests are on their way at once: ask for fewer at a time";
            Problem::new(Code::TooManyRequests, 429, message)
        })
    }

    fn of(&self, caller: &Caller) -> Arc<Semaphore> {
        let who = Who { tenant: caller.tenant.clone(), job: caller.job.clone() };
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = callers.get(&who).and_then(Weak::upgrade) {
            return known;
        }
        callers.retain(|_, semaphore| semaphore.strong_count() > 0);
        let new = Arc::new(Semaphore::new(CALLER_BYTES / UNIT));
        callers.insert(who, Arc::downgrade(&new));
        new
    }
}

impl Room {
    /// As much of it as the bytes take is given back with the last reference to them.
    pub(crate) fn keep(mut self, bytes: Bytes) -> Bytes {
        let more = self.own.num_permits().saturating_sub(units(bytes.len()) as usize);
        drop((self.own.split(more), self.host.split(more)));
        Bytes::from_owner(Kept { bytes, _room: self })
    }
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What is larger than all that a caller has would be waited for in vain.
fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.min(CALLER_BYTES).div_ceil(UNIT)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::{
        caller::{Outside, Writes},
        record::{Ledger, Material, Refusal},
    };

    struct Deaf;

    impl Ledger for Deaf {
        fn served(&self, _: Material) {}
        fn refused(&self, _: Refusal) {}
    }

    const MIB: usize = 1 << 20;

    fn caller(job: usize) -> Caller {
        Caller {
            tenant: "a".to_owned(),
            job: Some(job.to_string()),
            outside: Outside::StoredOnly,
            writes: Writes::All,
            ledger: Arc::new(Deaf),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_takes_nothing_from_others() {
        let memory = Memory::default();
        let mut taken = Vec::new();
        for _ in 0..8 {
            taken.push(memory.take(&caller(1), 4 * MIB).await.unwrap());
        }
        let before = Instant::now();
        let refused = memory.take(&caller(1), 1).await.unwrap_err();
        assert_eq!((refused.code, refused.status), (Code::TooManyRequests, 429));
        assert_eq!(before.elapsed(), PATIENCE);
        memory.take(&caller(2), 32 * MIB).await.unwrap();
        // What is not needed is given back at once, the rest with the last of the bytes.
        let bytes = taken.pop().unwrap().keep(Bytes::from(vec![0; MIB]));
        let last = bytes.slice(MIB - 1..);
        drop(bytes);
        let rest = memory.take(&caller(1), 3 * MIB).await.unwrap();
        assert!(memory.take(&caller(1), 1).await.is_err());
        drop(last);
        memory.take(&caller(1), MIB).await.unwrap();
        drop((rest, taken));
    }

    #[tokio::test(start_paused = true)]
    async fn all_together_have_so_much_and_who_waits_gets_it() {
        let memory = Arc::new(Memory::default());
        let mut taken = Vec::new();
        for job in 0..8 {
            taken.push(memory.take(&caller(job), 32 * MIB).await.unwrap());
        }
        assert!(memory.take(&caller(9), 1).await.is_err());
        let waiting = tokio::spawn({
            let memory = Arc::clone(&memory);
            async move { memory.take(&caller(9), 1).await.map(drop) }
        });
        tokio::time::sleep(Duration::from_secs(1)).await;
        taken.clear();
        waiting.await.unwrap().unwrap();
        drop(memory.take(&caller(10), 1).await.unwrap());
        assert_eq!(memory.callers.lock().unwrap().len(), 1, "those that are gone are forgotten");
    }
}
