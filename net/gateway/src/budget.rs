//! How much a guest may ask: by time, and by how much its questions could say.

mod names;

use std::time::Duration;

pub use names::{NameBudget, TooMuch};
use tokio::time::Instant;

/// Fills by `per_second` up to `most`. Whoever may be told no takes a token for what it does.
#[derive(Clone, Copy, Debug)]
pub struct Tokens {
    per_second: f64,
    most: f64,
    left: f64,
    at: Instant,
}

impl Tokens {
    /// Full.
    pub fn new(per_second: f64, most: f64) -> Self {
        Self { per_second, most, left: most, at: Instant::now() }
    }

    pub fn take(&mut self, count: f64) -> bool {
        self.fill();
        let enough = self.left >= count;
        if enough {
            self.left -= count;
        }
        enough
    }

    pub fn has(&mut self, count: f64) -> bool {
        self.fill();
        self.left >= count
    }

    fn fill(&mut self) {
        let now = Instant::now();
        let passed: Duration = now.saturating_duration_since(self.at);
        self.at = now;
        self.left = (self.left + passed.as_secs_f64() * self.per_second).min(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_not_used_is_not_saved_beyond_the_most() {
        let mut tokens = Tokens::new(2.0, 3.0);
        assert!(tokens.take(3.0));
        assert!(!tokens.take(1.0));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert!(tokens.take(1.0));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(tokens.take(3.0));
        assert!(!tokens.take(1.0));
    }
}
