//! Waits that hosts ask for. One for all askers of an account: when it is over, one of them tries, and
//! the others wait for how that goes.
//!
//! ```text
//!            429, or 503 with Retry-After              it is over
//! (nothing) ─────────────────────────────▶ Pause ─────────────────▶ Pause with a probe
//!     ▲                                      ▲  ▲                        │ │ │
//!     └──────────────────────────────────────┼──┼──── answered ──────────┘ │ │
//!                                            │  └──── 429 again, longer ───┘ │
//!                                            └─────── lost, given up ────────┘
//! ```

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};

use super::{failure::Failure, site::Site};

/// Of a host that names no time, the first time.
const FIRST: Duration = Duration::from_secs(1);
/// For longer nobody is left alone without being asked again.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// More are forgotten when they are over.
const MAX_PAUSES: usize = 1024;

#[derive(Default)]
pub(super) struct Pauses(Mutex<HashMap<Account, Pause>>);

/// Whose requests a host counts together, as far as we know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Account {
    pub site: Site,
    /// One who has credentials of its own there: what it does with them is nothing to others. None:
    /// all who have none, or those that everybody has.
    pub tenant: Option<String>,
}

struct Pause {
    until: Instant,
    strikes: u32,
    is_probed: bool,
    /// Told, or dropped, when a probe ends.
    settled: watch::Sender<()>,
}

/// The right to ask a host once.
pub(super) struct Pass<'a> {
    pauses: &'a Pauses,
    account: Account,
    is_probe: bool,
}

impl Pauses {
    /// Without a request where the wait is longer than there is time.
    pub(super) async fn enter(
        &self,
        account: Account,
        deadline: Instant,
    ) -> Result<Pass<'_>, Failure> {
        loop {
            let (until, probe) = {
                let mut pauses = self.lock();
                let Some(pause) = pauses.get_mut(&account) else {
                    return Ok(Pass { pauses: self, account, is_probe: false });
                };
                let now = Instant::now();
                if pause.until > deadline {
                    let retry_after = Some(pause.until - now);
                    return Err(Failure::RateLimited { retry_after });
                }
                if pause.until <= now && !pause.is_probed {
                    pause.is_probed = true;
                    return Ok(Pass { pauses: self, account, is_probe: true });
                }
                // Subscribed under the lock: a probe that ends from here on is noticed.
                (pause.until, pause.is_probed.then(|| pause.settled.subscribe()))
            };
            match probe {
                None => sleep_until(until).await,
                Some(mut settled) => {
                    if timeout_at(deadline, settled.changed()).await.is_err() {
                        return Err(Failure::RateLimited { retry_after: None });
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Account, Pause>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    /// It wants to be left alone.
    pub(super) fn limited(mut self, retry_after: Option<Duration>) {
        let mut pauses = self.pauses.lock();
        let now = Instant::now();
        if pauses.len() >= MAX_PAUSES {
            pauses.retain(|_, pause| pause.until > now || pause.is_probed);
        }
        let pause = pauses.entry(self.account.clone()).or_insert_with(|| Pause {
            until: now,
            strikes: 0,
            is_probed: false,
            settled: watch::Sender::new(()),
        });
        // Those that were under way together count once.
        if self.is_probe || pause.strikes == 0 {
            let usual = FIRST.saturating_mul(1 << pause.strikes.min(10));
            pause.strikes += 1;
            pause.until = pause.until.max(now + retry_after.unwrap_or(usual).min(LONGEST));
        } else if let Some(after) = retry_after {
            pause.until = pause.until.max(now + after.min(LONGEST));
        }
        if self.is_probe {
            self.is_probe = false;
            pause.is_probed = false;
            pause.settled.send_replace(());
        }
    }

    /// It answers.
    pub(super) fn answered(mut self) {
        if self.is_probe {
            self.is_probe = false;
            // Dropping it tells those who wait.
            self.pauses.lock().remove(&self.account);
        }
    }
}

/// A probe that was lost: the next asker is one.
impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(pause) = self.pauses.lock().get_mut(&self.account)
        {
            pause.is_probed = false;
            pause.settled.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    fn account() -> Account {
        let site = Site { https: true, name: "registry.example".to_owned(), port: 443 };
        Account { site, tenant: None }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_one_wait_and_one_probe() {
        let pauses = Arc::new(Pauses::default());
        let account = account();
        pauses.enter(account.clone(), soon()).await.unwrap().limited(Some(Duration::from_secs(30)));
        let (asked, begun) = (Arc::new(AtomicU32::new(0)), Instant::now());
        let askers = (0..100).map(|_| {
            let (pauses, asked, account) = (pauses.clone(), asked.clone(), account.clone());
            tokio::spawn(async move {
                let pass = pauses.enter(account.clone(), soon()).await.unwrap();
                let nth = asked.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_secs(1)).await;
                // The first probe fails once more.
                if nth == 0 {
                    pass.limited(Some(Duration::from_secs(10)));
                } else {
                    pass.answered();
                }
                nth
            })
        });
        let askers: Vec<_> = askers.collect();
        tokio::time::sleep(Duration::from_secs(41)).await;
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nobody but the probe");
        for asker in askers {
            asker.await.unwrap();
        }
        assert!(begun.elapsed() >= Duration::from_secs(42), "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_no_time_is_told_at_once() {
        let pauses = Pauses::default();
        let account = account();
        pauses
            .enter(account.clone(), soon())
            .await
            .unwrap()
            .limited(Some(Duration::from_secs(3600)));
        let told = pauses.enter(account.clone(), soon()).await.err();
        assert_eq!(told, Some(Failure::RateLimited { retry_after: Some(LONGEST) }));
        let other = Site { port: 444, ..account.site.clone() };
        let elsewhere = Account { site: other, ..account.clone() };
        let own = Account { tenant: Some("acme".to_owned()), ..account };
        for other in [elsewhere, own] {
            pauses.enter(other, soon()).await.unwrap().answered();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_probe_is_followed_by_another() {
        let pauses = Pauses::default();
        let account = account();
        pauses.enter(account.clone(), soon()).await.unwrap().limited(None);
        let begun = Instant::now();
        let probe = pauses.enter(account.clone(), soon()).await.unwrap();
        assert!(begun.elapsed() >= FIRST);
        let (waited, ()) = tokio::join!(pauses.enter(account.clone(), soon()), async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            drop(probe);
        });
        assert!(waited.unwrap().is_probe);
    }
}
