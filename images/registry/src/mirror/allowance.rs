//! How much a caller may ask of registries: whoever may ask a registry for names can carry data out
//! in them, so that their number is what bounds it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Callers that are remembered beyond need: those who asked for nothing lately are forgotten then.
const REMEMBERED: usize = 256;
const MINUTE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub asks_per_minute: u32,
    /// Of these, such as the registry knows nothing of, or refuses: the names that an honest caller
    /// rarely asks for, and one that smuggles always.
    pub misses_per_minute: u32,
    pub asks_at_once: usize,
    pub downloads_at_once: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Who {
    pub tenant: String,
    pub job: Option<String>,
}

/// When to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub wait: Duration,
}

#[derive(Debug)]
pub(crate) struct Allowances {
    limits: Limits,
    callers: HashMap<Who, Allowance>,
}

#[derive(Debug)]
struct Allowance {
    asks: Bucket,
    misses: Bucket,
    asking: Arc<Semaphore>,
    downloading: Arc<Semaphore>,
}

/// What runs at once is held by these.
#[derive(Clone, Debug)]
pub(crate) struct Lanes {
    asking: Arc<Semaphore>,
    downloading: Arc<Semaphore>,
}

impl Allowances {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, callers: HashMap::new() }
    }

    /// Spends one ask.
    pub(crate) fn ask(&mut self, who: &Who, now: Instant) -> Result<Lanes, Exhausted> {
        let allowance = self.of(who, now);
        allowance.misses.check(now)?;
        allowance.asks.take(now)?;
        let Allowance { asks: _, misses: _, asking, downloading } = allowance;
        Ok(Lanes { asking: Arc::clone(asking), downloading: Arc::clone(downloading) })
    }

    /// What was asked for isn't there, or isn't for this caller.
    pub(crate) fn missed(&mut self, who: &Who, now: Instant) {
        self.of(who, now).misses.force(now);
    }

    fn of(&mut self, who: &Who, now: Instant) -> &mut Allowance {
        if self.callers.len() >= REMEMBERED && !self.callers.contains_key(who) {
            self.callers.retain(|_, allowance| !allowance.is_idle(now));
        }
        let limits = self.limits;
        self.callers.entry(who.clone()).or_insert_with(|| Allowance {
            asks: Bucket::new(limits.asks_per_minute, now),
            misses: Bucket::new(limits.misses_per_minute, now),
            asking: Arc::new(Semaphore::new(limits.asks_at_once)),
            downloading: Arc::new(Semaphore::new(limits.downloads_at_once)),
        })
    }
}

impl Allowance {
    /// A new one would be the same.
    fn is_idle(&self, now: Instant) -> bool {
        self.asks.is_full(now)
            && self.misses.is_full(now)
            && Arc::strong_count(&self.asking) == 1
            && Arc::strong_count(&self.downloading) == 1
    }
}

impl Lanes {
    /// Waits for its turn. None only when the lane was closed, which nobody does.
    pub(crate) async fn ask(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.asking).acquire_owned().await.ok()
    }

    pub(crate) async fn download(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.downloading).acquire_owned().await.ok()
    }
}

/// Full at first, and full again after a minute. Its level is kept as the time at which it will be
/// full, so that nothing has to fill it.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    interval: Duration,
    full_at: Instant,
}

impl Bucket {
    fn new(per_minute: u32, now: Instant) -> Self {
        Self { interval: MINUTE / per_minute.max(1), full_at: now }
    }

    fn check(&self, now: Instant) -> Result<(), Exhausted> {
        let room = (now + MINUTE).saturating_duration_since(self.full_at.max(now));
        match self.interval.checked_sub(room) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(Exhausted { wait }),
        }
    }

    fn take(&mut self, now: Instant) -> Result<(), Exhausted> {
        self.check(now)?;
        self.force(now);
        Ok(())
    }

    /// Takes what may not be there: it is owed, a minute's worth at most.
    fn force(&mut self, now: Instant) {
        self.full_at = (self.full_at.max(now) + self.interval).min(now + 2 * MINUTE);
    }

    fn is_full(&self, now: Instant) -> bool {
        self.full_at <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: Limits =
        Limits { asks_per_minute: 10, misses_per_minute: 3, asks_at_once: 2, downloads_at_once: 1 };

    fn who(tenant: &str, job: u32) -> Who {
        Who { tenant: tenant.to_owned(), job: Some(job.to_string()) }
    }

    proptest! {
        #[test]
        fn no_minute_sees_more_than_twice_its_number(
            gaps in proptest::collection::vec(0..20_000u64, 1..300),
        ) {
            let start = Instant::now();
            let mut allowances = Allowances::new(LIMITS);
            let (mut now, mut granted) = (start, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                match allowances.ask(&who("acme", 1), now) {
                    Ok(_) => granted.push(now),
                    Err(Exhausted { wait }) => {
                        // What is told is true.
                        let mut later = Allowances::new(LIMITS);
                        later.callers.insert(who("acme", 1), Allowance {
                            asks: allowances.callers[&who("acme", 1)].asks,
                            misses: Bucket::new(3, now),
                            asking: Arc::new(Semaphore::new(1)),
                            downloading: Arc::new(Semaphore::new(1)),
                        });
                        prop_assert!(later.ask(&who("acme", 1), now + wait).is_ok());
                    }
                }
            }
            for from in &granted {
                let within = |at: &&Instant| **at >= *from && **at < *from + MINUTE;
                prop_assert!(granted.iter().filter(within).count() <= 20);
            }
        }
    }

    #[test]
    fn a_burst_is_a_minutes_worth() {
        let now = Instant::now();
        let mut allowances = Allowances::new(LIMITS);
        let granted = (0..50).filter(|_| allowances.ask(&who("acme", 1), now).is_ok()).count();
        assert_eq!(granted, 10);
        assert!(allowances.ask(&who("acme", 2), now).is_ok(), "another job has its own");
        assert!(allowances.ask(&who("acme", 1), now + Duration::from_secs(6)).is_ok());
    }

    #[test]
    fn who_misses_too_often_asks_for_nothing_more() {
        let now = Instant::now();
        let mut allowances = Allowances::new(LIMITS);
        for _ in 0..3 {
            assert!(allowances.ask(&who("acme", 1), now).is_ok());
            allowances.missed(&who("acme", 1), now);
        }
        let refused = allowances.ask(&who("acme", 1), now).unwrap_err();
        assert!(refused.wait <= Duration::from_secs(20));
        assert!(allowances.ask(&who("acme", 1), now + refused.wait).is_ok());
    }

    #[test]
    fn who_is_idle_is_forgotten_and_who_is_not_stays() {
        let now = Instant::now();
        let mut allowances = Allowances::new(LIMITS);
        let held = allowances.ask(&who("busy", 0), now).unwrap();
        for job in 0..10 * u32::try_from(REMEMBERED).unwrap() {
            let now = now + Duration::from_secs(120) * job;
            let _lanes = allowances.ask(&who("acme", job), now);
        }
        assert!(allowances.callers.len() <= REMEMBERED + 1);
        assert!(allowances.callers.contains_key(&who("busy", 0)));
        drop(held);
    }
}
