//! What several ask for at the same time is asked for once.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// Answers are shared by who asks for the same while it is under way; nothing is remembered after.
pub(crate) struct Flights<K, V> {
    running: Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>,
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Self {
        Self { running: Arc::default() }
    }

    /// The work goes on when its asker goes away, since others may wait for it: it must be bounded in
    /// itself. None: the work panicked.
    ///
    /// # Cancel safety
    /// Cancelling leaves the work to the others.
    pub(crate) async fn join<F>(&self, key: K, work: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut answer = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            match running.get(&key) {
                Some(answer) => answer.clone(),
                None => {
                    let (sender, answer) = watch::channel(None);
                    running.insert(key.clone(), answer.clone());
                    let landing = Landing { running: Arc::clone(&self.running), key };
                    let work = work();
                    tokio::spawn(async move {
                        let value = work.await;
                        // Who comes from now on asks anew: the answer may be older than its question.
                        drop(landing);
                        sender.send_replace(Some(value));
                    });
                    answer
                }
            }
        };
        // No wake-up is lost: the value stays in the channel after its sender is gone.
        answer.wait_for(Option::is_some).await.ok().and_then(|value| value.clone())
    }
}

impl<K, V> fmt::Debug for Flights<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

/// Takes the flight off the board, also when its work panics.
struct Landing<K: Eq + Hash, V> {
    running: Arc<Mutex<HashMap<K, watch::Receiver<Option<V>>>>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicU32, Ordering},
        time::Duration,
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hundred_askers_are_one_question() {
        let flights = Arc::new(Flights::new());
        let asked = Arc::new(AtomicU32::new(0));
        let ask = |key: u32| {
            let (flights, asked) = (Arc::clone(&flights), Arc::clone(&asked));
            tokio::spawn(async move {
                flights
                    .join(key, || async move {
                        tokio::time::sleep(Duration::from_secs(1)).await;
                        asked.fetch_add(1, Ordering::SeqCst)
                    })
                    .await
            })
        };
        let askers: Vec<_> = (0..100).map(|_| ask(1)).collect();
        for asker in askers {
            assert_eq!(asker.await.unwrap(), Some(0));
        }
        assert_eq!(ask(1).await.unwrap(), Some(1), "the next question is asked anew");
        assert_eq!(ask(2).await.unwrap(), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_takes_nothing_from_the_others() {
        let flights = Arc::new(Flights::new());
        let slow = || async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            "answer"
        };
        let first = tokio::time::timeout(Duration::from_secs(1), flights.join(1, slow));
        let second = flights.join(1, || async { "never asked" });
        let (first, second) = tokio::join!(first, second);
        assert!(first.is_err());
        assert_eq!(second, Some("answer"));
    }

    #[tokio::test]
    async fn a_panic_is_no_answer_and_the_next_one_asks() {
        let flights: Flights<u32, u32> = Flights::new();
        assert_eq!(flights.join(1, || async { panic!("on purpose") }).await, None);
        assert_eq!(flights.join(1, || async { 7 }).await, Some(7));
    }
}
