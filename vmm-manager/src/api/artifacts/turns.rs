//! Whose turn it is to have something large read: each tenant's one after the other, and few at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Read at once, of as many tenants.
const READERS: usize = 2;

/// A tenant waits for its own turn first, and with that for one of the readers, who are given in the
/// order of asking: it is before nobody twice, however much it asks for.
#[derive(Debug)]
pub(super) struct Turns {
    /// Those of tenants that have one or wait for one.
    own: Mutex<HashMap<String, Weak<Semaphore>>>,
    readers: Arc<Semaphore>,
}

/// Over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    _reader: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
}

impl Default for Turns {
    fn default() -> Self {
        Self { own: Mutex::default(), readers: Arc::new(Semaphore::new(READERS)) }
    }
}

impl Turns {
    /// None: nobody closes them, so there is none that is not given.
    ///
    /// # Cancel safety
    /// It loses its place.
    pub(super) async fn take(&self, tenant: &str) -> Option<Turn> {
        let own = self.of(tenant).acquire_owned().await.ok()?;
        let reader = Arc::clone(&self.readers).acquire_owned().await.ok()?;
        Some(Turn { _reader: reader, _own: own })
    }

    fn of(&self, tenant: &str) -> Arc<Semaphore> {
        // Each change leaves it whole.
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = own.get(tenant).and_then(Weak::upgrade) {
            return turns;
        }
        own.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(1));
        own.insert(tenant.to_owned(), Arc::downgrade(&turns));
        turns
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(100);

    #[tokio::test(start_paused = true)]
    async fn one_who_asks_for_much_keeps_nobody_else_waiting() {
        let turns = Turns::default();
        let first = turns.take("a").await.unwrap();
        assert!(timeout(SOON, turns.take("a")).await.is_err(), "one at a time");
        let other = timeout(SOON, turns.take("b")).await.unwrap().unwrap();
        assert!(timeout(SOON, turns.take("c")).await.is_err(), "{READERS} at once");
        drop(first);
        let third = timeout(SOON, turns.take("c")).await.unwrap().unwrap();
        drop((other, third));
        timeout(SOON, turns.take("a")).await.unwrap().unwrap();
        assert_eq!(turns.own.lock().unwrap().len(), 1, "who has gone is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn a_row_of_one_tenants_is_passed_by_another() {
        let turns = Arc::new(Turns::default());
        let held = [turns.take("x").await.unwrap(), turns.take("y").await.unwrap()];
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = tokio::task::JoinSet::new();
        for tenant in ["a", "a", "a", "b"] {
            let (turns, order) = (Arc::clone(&turns), Arc::clone(&order));
            waiting.spawn(async move {
                let turn = turns.take(tenant).await.unwrap();
                order.lock().unwrap().push(tenant);
                tokio::time::sleep(SOON).await;
                drop(turn);
            });
            tokio::time::sleep(SOON).await;
        }
        let [first, second] = held;
        drop(first);
        waiting.join_next().await.unwrap().unwrap();
        drop(second);
        while let Some(ended) = waiting.join_next().await {
            ended.unwrap();
        }
        assert_eq!(order.lock().unwrap()[..2], ["a", "b"], "not a second time before it");
    }
}
