//! How long a failed write waits for its next try.

use std::time::{Duration, Instant};

const SHORTEST: Duration = Duration::from_millis(20);
const LONGEST: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Patience {
    /// `None` while writes succeed.
    failing: Option<Failing>,
}

#[derive(Debug)]
struct Failing {
    pause: Duration,
    next_try: Instant,
}

impl Patience {
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.failing.as_ref().map(|failing| failing.next_try)
    }

    /// True when this is the first failure in a row.
    pub(super) fn lengthen(&mut self) -> bool {
        let pause = match &self.failing {
            Some(failing) => (failing.pause * 2).min(LONGEST),
            None => SHORTEST,
        };
        let first = self.failing.is_none();
        self.failing = Some(Failing { pause, next_try: Instant::now() + pause });
        first
    }

    /// True when writes had failed.
    pub(super) fn reset(&mut self) -> bool {
        self.failing.take().is_some()
    }
}
