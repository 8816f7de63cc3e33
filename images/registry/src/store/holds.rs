//! Who needs the file of a digest, and who alone may put one there or take it away.

use std::{
    collections::HashMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
};

use crate::digest::Digest;

#[derive(Debug, Default)]
pub(super) struct Holds {
    state: Mutex<HashMap<Digest, Use>>,
    /// Signalled when a lock is given back.
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Use {
    /// By readers and by whoever means to link it.
    held: usize,
    /// By whoever renames or removes the file together with its row.
    locked: bool,
}

/// Garbage collection leaves the blob alone while it lives.
#[derive(Debug)]
pub(super) struct Hold {
    holds: Arc<Holds>,
    digest: Digest,
}

/// Nobody else adds or removes the file while it lives.
#[derive(Debug)]
pub(super) struct Lock {
    holds: Arc<Holds>,
    digest: Digest,
}

impl Holds {
    /// Never waits. Whoever holds first and looks for the row then finds a blob that stays, or none.
    pub(super) fn hold(self: &Arc<Self>, digest: Digest) -> Hold {
        self.state().entry(digest).or_default().held += 1;
        Hold { holds: Arc::clone(self), digest }
    }

    /// Blocks while another has it.
    pub(super) fn lock(self: &Arc<Self>, digest: Digest) -> Lock {
        let mut state = self.state();
        while state.get(&digest).is_some_and(|using| using.locked) {
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.entry(digest).or_default().locked = true;
        Lock { holds: Arc::clone(self), digest }
    }

    /// None while anybody has it or holds it.
    pub(super) fn lock_unheld(self: &Arc<Self>, digest: Digest) -> Option<Lock> {
        let mut state = self.state();
        let using = state.entry(digest).or_default();
        if using.locked || using.held > 0 {
            return None;
        }
        using.locked = true;
        Some(Lock { holds: Arc::clone(self), digest })
    }

    /// Asked again with the lock, within the transaction that would remove the row.
    pub(super) fn is_held(&self, digest: &Digest) -> bool {
        self.state().get(digest).is_some_and(|using| using.held > 0)
    }

    fn state(&self) -> MutexGuard<'_, HashMap<Digest, Use>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, digest: &Digest, change: impl FnOnce(&mut Use)) {
        let mut state = self.state();
        if let Some(using) = state.get_mut(digest) {
            change(using);
            if using.held == 0 && !using.locked {
                state.remove(digest);
            }
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.holds.change(&self.digest, |using| using.held -= 1);
    }
}

impl Lock {
    pub(super) fn digest(&self) -> Digest {
        self.digest
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.holds.change(&self.digest, |using| using.locked = false);
        self.holds.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_or_locked_is_not_collected() {
        let holds = Arc::new(Holds::default());
        let digest = Digest::of(b"a");
        let hold = holds.hold(digest);
        assert!(holds.lock_unheld(digest).is_none());
        drop(hold);
        let lock = holds.lock_unheld(digest).unwrap();
        assert!(holds.lock_unheld(digest).is_none());
        // A hold never waits; whoever collects sees it.
        let hold = holds.hold(digest);
        assert!(holds.is_held(&digest));
        drop((lock, hold));
        assert!(holds.state().is_empty());
    }

    #[test]
    fn a_lock_is_waited_for() {
        let holds = Arc::new(Holds::default());
        let digest = Digest::of(b"a");
        let lock = holds.lock(digest);
        let other = std::thread::spawn({
            let holds = Arc::clone(&holds);
            move || drop(holds.lock(digest))
        });
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(!other.is_finished());
        drop(lock);
        other.join().unwrap();
    }
}
