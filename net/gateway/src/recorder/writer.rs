//! The thread that writes.

use std::{
    mem,
    sync::PoisonError,
    time::{Duration, Instant},
};

use super::{Shared, State, ledger::Ledger};

/// Between two rounds: what comes meanwhile is written together.
const PAUSE: Duration = Duration::from_millis(100);
/// After a write has failed.
const RETRY: Duration = Duration::from_secs(1);
/// How old what is told of a connection may be while it lasts.
pub(super) const TELL: Duration = Duration::from_secs(10);

/// Ends when no recorder is left.
pub(super) fn run(shared: &Shared, mut ledger: Ledger) {
    let mut failed = ledger.write().is_err();
    let mut told = Instant::now();
    loop {
        let (waiting, closed) = {
            let state = shared.lock();
            let longest = if failed { RETRY } else { TELL.saturating_sub(told.elapsed()) };
            let waited = shared.told.wait_timeout_while(state, longest, |state| state.is_idle());
            let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.begun += 1;
            let all = mem::take(&mut state.flushing) || told.elapsed() >= TELL;
            if all {
                told = Instant::now();
            }
            state.tell_living(!all);
            (mem::take(&mut state.waiting), state.closed)
        };
        ledger.take(waiting);
        failed = ledger.write().is_err();

        let mut state = shared.lock();
        state.ended = state.begun;
        shared.written.notify_all();
        if closed {
            return;
        }
        let pause = if failed { RETRY } else { PAUSE };
        let rests = |state: &mut State| !state.flushing && !state.closed;
        let _ = shared.told.wait_timeout_while(state, pause, rests).map(drop);
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && !self.has_news() && !self.flushing && !self.closed
    }
}
