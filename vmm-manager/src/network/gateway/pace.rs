//! How fast a gateway is listened to.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// So many at once, and as many in each second after that.
#[derive(Debug)]
pub(super) struct Pace {
    each: Duration,
    burst: Duration,
    /// When all that was let through so far would have been due, one after the other.
    due: Instant,
}

impl Pace {
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let each = Duration::from_secs(1) / per_second.max(1);
        Self { each, burst: each * burst, due: Instant::now() }
    }

    /// Waits until one more is in time.
    ///
    /// # Cancel safety
    /// Safe: one that was waited for in vain counts as if it had come.
    pub(super) async fn next(&mut self) {
        let now = Instant::now();
        self.due = self.due.max(now) + self.each;
        sleep_until(self.due.checked_sub(self.burst).unwrap_or(now)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_through_and_a_flood_is_held() {
        let mut pace = Pace::new(100, 50);
        let began = Instant::now();
        for _ in 0..50 {
            pace.next().await;
        }
        assert!(began.elapsed() < Duration::from_millis(20), "{:?}", began.elapsed());
        for _ in 0..200 {
            pace.next().await;
        }
        let took = began.elapsed();
        assert!((1900..2100).contains(&took.as_millis()), "{took:?}");
        tokio::time::sleep(Duration::from_secs(10)).await;
        let began = Instant::now();
        for _ in 0..60 {
            pace.next().await;
        }
        assert!(began.elapsed() > Duration::from_millis(80), "rest is not saved up for ever");
    }
}
