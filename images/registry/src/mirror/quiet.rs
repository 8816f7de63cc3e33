//! Registries that want to be left alone, or don't answer: remembered for a while, so that a hundred
//! askers don't each find it out.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::name::Host;

const REMEMBERED: usize = 1024;
/// A registry that asks for more than this is asked again all the same.
const LONGEST: Duration = Duration::from_secs(60);
/// After a 429 that doesn't say for how long.
const UNTOLD: Duration = Duration::from_secs(5);
/// What is stored stands in for so long without another try.
const AWAY: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Silence {
    /// It is not asked at all.
    Asked { status: u16 },
    /// It is asked when nothing can stand in for it.
    Away,
}

/// By tenant: what a registry says to one is nothing to another, who has other credentials.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    until: HashMap<(String, Host), (Silence, Instant)>,
}

impl Quiet {
    /// How long it still lasts.
    pub(crate) fn of(
        &self,
        tenant: &str,
        host: &Host,
        now: Instant,
    ) -> Option<(Silence, Duration)> {
        let (silence, until) = self.until.get(&(tenant.to_owned(), host.clone()))?;
        let left = until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some((*silence, left))
    }

    pub(crate) fn asked(
        &mut self,
        tenant: &str,
        host: &Host,
        status: u16,
        retry_after: Option<Duration>,
        now: Instant,
    ) {
        let wait = retry_after.unwrap_or(UNTOLD).min(LONGEST);
        self.keep(tenant, host, Silence::Asked { status }, now + wait, now);
    }

    pub(crate) fn away(&mut self, tenant: &str, host: &Host, now: Instant) {
        // What was asked for is kept.
        if !matches!(self.of(tenant, host, now), Some((Silence::Asked { .. }, _))) {
            self.keep(tenant, host, Silence::Away, now + AWAY, now);
        }
    }

    /// It answered. A time that it asked for goes on: the answer may be older than the request.
    pub(crate) fn is_back(&mut self, tenant: &str, host: &Host) {
        let key = (tenant.to_owned(), host.clone());
        if matches!(self.until.get(&key), Some((Silence::Away, _))) {
            self.until.remove(&key);
        }
    }

    fn keep(&mut self, tenant: &str, host: &Host, silence: Silence, until: Instant, now: Instant) {
        if self.until.len() >= REMEMBERED {
            self.until.retain(|_, (_, until)| *until > now);
        }
        if self.until.len() < REMEMBERED {
            self.until.insert((tenant.to_owned(), host.clone()), (silence, until));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lasts_as_long_as_asked_and_no_longer_than_bearable() {
        let now = Instant::now();
        let host: Host = "registry.example".parse().unwrap();
        let mut quiet = Quiet::default();
        for (asked, lasts) in [(None, 5), (Some(7), 7), (Some(86_400), 60)] {
            quiet.asked("acme", &host, 429, asked.map(Duration::from_secs), now);
            let (silence, left) = quiet.of("acme", &host, now).unwrap();
            assert_eq!(silence, Silence::Asked { status: 429 });
            assert_eq!(left, Duration::from_secs(lasts));
            assert_eq!(quiet.of("acme", &host, now + left), None);
        }
        assert_eq!(quiet.of("other", &host, now), None);
    }

    #[test]
    fn a_request_for_silence_outlives_a_failure() {
        let now = Instant::now();
        let host: Host = "registry.example".parse().unwrap();
        let mut quiet = Quiet::default();
        quiet.asked("acme", &host, 429, Some(Duration::from_secs(30)), now);
        quiet.away("acme", &host, now);
        quiet.is_back("acme", &host);
        let (silence, _) = quiet.of("acme", &host, now).unwrap();
        assert_eq!(silence, Silence::Asked { status: 429 });
        let later = now + Duration::from_secs(30);
        quiet.away("acme", &host, later);
        let (silence, _) = quiet.of("acme", &host, later).unwrap();
        assert_eq!(silence, Silence::Away);
        quiet.is_back("acme", &host);
        assert_eq!(quiet.of("acme", &host, later), None);
    }

    #[test]
    fn is_bounded() {
        let now = Instant::now();
        let mut quiet = Quiet::default();
        for number in 0..2 * REMEMBERED {
            let host: Host = format!("{number}.example").parse().unwrap();
            quiet.away("acme", &host, now);
        }
        assert_eq!(quiet.until.len(), REMEMBERED);
    }
}
