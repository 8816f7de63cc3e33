//! Waiting for a kilnd that went away: it is restarted, and its jobs go on meanwhile.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::DaemonError;
use crate::report;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(crate) struct Patience {
    limit: Duration,
    quiet: bool,
    /// Since when kilnd is away.
    since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(limit: Duration, quiet: bool) -> Self {
        Self { limit, quiet, since: None, pause: FIRST_PAUSE }
    }

    /// kilnd is there, and what is asked of it moves on.
    pub(crate) fn restore(&mut self) {
        *self = Self::new(self.limit, self.quiet);
    }

    /// Waits until it is time to try again. What trying again does not mend comes back, and so does
    /// a loss that has lasted too long.
    ///
    /// # Cancel safety
    /// Safe: only the pause is cut short.
    pub(crate) async fn endure(&mut self, error: DaemonError) -> Result<(), DaemonError> {
        if !error.is_loss() {
            return Err(error);
        }
        let now = Instant::now();
        let since = match self.since {
            Some(since) => since,
            None => {
                if !self.quiet {
                    report::error(&format!("{error}; reconnecting"));
                }
                *self.since.insert(now)
            }
        };
        let left = self.limit.saturating_sub(now - since);
        if left.is_zero() {
            return Err(DaemonError::Away { limit: self.limit, cause: Box::new(error) });
        }
        sleep(self.pause.min(left)).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss() -> DaemonError {
        DaemonError::Lost { socket: "/k".into(), cause: "gone".to_owned() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_loss_is_endured_for_as_long_as_the_limit_and_no_longer() {
        let limit = Duration::from_secs(120);
        let mut patience = Patience::new(limit, true);
        let mut begin = Instant::now();
        for _ in 0..2 {
            let error = loop {
                if let Err(error) = patience.endure(loss()).await {
                    break error;
                }
            };
            assert_eq!(begin.elapsed().as_secs(), 120);
            assert_eq!(error.to_string(), "kilnd has been away for 120 s; lost kilnd at /k: gone");
            patience.restore();
            begin = Instant::now();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_no_loss() {
        let begin = Instant::now();
        let refused = DaemonError::Refused { message: "no".to_owned() };
        let mut patience = Patience::new(Duration::from_secs(120), true);
        assert_eq!(patience.endure(refused).await.unwrap_err().to_string(), "no");
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }
}
