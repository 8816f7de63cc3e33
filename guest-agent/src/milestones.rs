//! When the guest's boot reached what: the host shows it, and benches live on it.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[derive(Debug, Default)]
pub(crate) struct Milestones {
    /// In the order in which they were reached.
    reached: Vec<Milestone>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Milestone {
    pub(crate) name: &'static str,
    /// Since the kernel's clock began.
    pub(crate) at: Duration,
}

impl Milestones {
    pub(crate) fn reach(&mut self, name: &'static str) {
        let now = clock_gettime(ClockId::Monotonic);
        let at = Duration::try_from(now).unwrap_or_default();
        self.reached.push(Milestone { name, at });
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Milestone> {
        self.reached.iter().copied()
    }
}
