//! How much can be said by names that a guest makes up.
//!
//! Who owns `one.test`, and is asked for `whatever.one.test`, reads what the guest wrote. So what a
//! rule for a suffix lets out is counted: each new name by its bytes before the suffix, and one that
//! was asked for lately once more, since which one is asked for next says something too. A build that
//! knows its hosts never notices; a guest that tunnels gets about 20 bytes a second after the first
//! four thousand.

use std::collections::HashMap;

use kiln_net::name::Name;
use tokio::time::Instant;

use super::Tokens;

/// Of new names, before the suffix.
const BYTES: f64 = 4096.0;
const BYTES_PER_SECOND: f64 = 16.0;
const NAMES: f64 = 128.0;
const NAMES_PER_SECOND: f64 = 0.5;
/// Of one name, before the suffix: more than any host that we know of has there.
const MAX_FREE_BYTES: usize = 120;
const MAX_FREE_LABELS: usize = 8;
/// Those that are not new, and how often they may be asked for again; what is kept is not asked.
const MAX_KNOWN: usize = 512;
const AGAIN: f64 = 256.0;
const AGAIN_PER_SECOND: f64 = 4.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TooMuch {
    #[error(
        "the part before the suffix has more than {MAX_FREE_BYTES} bytes or {MAX_FREE_LABELS} labels"
    )]
    Long,
    #[error("too many new names below a suffix")]
    Many,
    #[error("names below a suffix are asked for too often")]
    Often,
}

#[derive(Debug)]
pub struct NameBudget {
    known: HashMap<Name, Instant>,
    bytes: Tokens,
    names: Tokens,
    again: Tokens,
}

impl Default for NameBudget {
    fn default() -> Self {
        Self {
            known: HashMap::new(),
            bytes: Tokens::new(BYTES_PER_SECOND, BYTES),
            names: Tokens::new(NAMES_PER_SECOND, NAMES),
            again: Tokens::new(AGAIN_PER_SECOND, AGAIN),
        }
    }
}

impl NameBudget {
    /// `name` is about to leave the host; a rule gives its last `fixed` bytes.
    pub fn spend(&mut self, name: &Name, fixed: usize) -> Result<(), TooMuch> {
        let free = name.as_str().len().saturating_sub(fixed);
        let labels = name.as_str()[..free].split_terminator('.').count();
        if free > MAX_FREE_BYTES || labels > MAX_FREE_LABELS {
            return Err(TooMuch::Long);
        }
        let now = Instant::now();
        if let Some(last) = self.known.get_mut(name) {
            *last = now;
            return if self.again.take(1.0) { Ok(()) } else { Err(TooMuch::Often) };
        }
        #[expect(clippy::cast_precision_loss, reason = "at most MAX_FREE_BYTES")]
        let bytes = free as f64;
        if !self.bytes.has(bytes) || !self.names.take(1.0) {
            return Err(TooMuch::Many);
        }
        self.bytes.take(bytes);
        if self.known.len() >= MAX_KNOWN {
            let oldest = self.known.iter().min_by_key(|(_, last)| **last);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.known.remove(&oldest);
            }
        }
        self.known.insert(name.clone(), now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const FIXED: usize = "one.test".len();

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_that_are_known_are_asked_for_again() {
        let mut budget = NameBudget::default();
        let hosts: Vec<_> = (0..100).map(|number| name(&format!("n{number}.one.test"))).collect();
        // Each once a minute, for a day.
        for _ in 0..24 * 60 {
            for host in &hosts {
                budget.spend(host, FIXED).unwrap();
            }
            tokio::time::advance(Duration::from_secs(60)).await;
        }
        let often = (0..1000).filter(|_| budget.spend(&hosts[0], FIXED).is_ok()).count();
        assert_eq!(often, 256);
        assert_eq!(budget.spend(&hosts[0], FIXED), Err(TooMuch::Often));
    }

    #[tokio::test(start_paused = true)]
    async fn new_names_run_out_and_come_back_slowly() {
        let mut budget = NameBudget::default();
        let spent = (0..1000)
            .filter(|number| budget.spend(&name(&format!("n{number}.one.test")), FIXED).is_ok())
            .count();
        assert_eq!(spent, 128);
        tokio::time::advance(Duration::from_secs(4)).await;
        let spent = (1000..2000)
            .filter(|number| budget.spend(&name(&format!("n{number}.one.test")), FIXED).is_ok())
            .count();
        assert_eq!(spent, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_run_out_before_names_that_are_long() {
        let mut budget = NameBudget::default();
        let sent: usize = (0..1000)
            .map(|number| format!("{number:0>60}.{number:0>55}.one.test"))
            .filter(|text| budget.spend(&name(text), FIXED).is_ok())
            .map(|text| text.len() - FIXED)
            .sum();
        assert!(sent <= 4096, "{sent} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_short_or_refused() {
        let mut budget = NameBudget::default();
        let long = format!("{}.{}.one.test", "a".repeat(60), "b".repeat(60));
        assert_eq!(budget.spend(&name(&long), FIXED), Err(TooMuch::Long));
        assert_eq!(budget.spend(&name("a.b.c.d.e.f.g.h.i.one.test"), FIXED), Err(TooMuch::Long));
        assert_eq!(budget.spend(&name("a.b.c.d.e.f.g.h.one.test"), FIXED), Ok(()));
    }
}
