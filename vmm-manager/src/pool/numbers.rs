//! The numbers of one slot.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{NUMBERS, Slot};

/// vsock addresses below it have a meaning of their own.
const FIRST_CID: u32 = 3;

/// Hands out the slot's numbers. Clones share them.
#[derive(Clone, Debug)]
pub struct Numbers {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    slot: Slot,
    /// Locked for one insert or remove in each at a time: a panic elsewhere leaves them whole.
    unused: Mutex<Unused>,
}

/// Numbers within the slot that no machine of this daemon carries.
#[derive(Debug)]
struct Unused {
    free: BTreeSet<u32>,
    /// Of machines that an earlier daemon made: for who takes them up.
    reserved: BTreeSet<u32>,
}

/// A number that is a machine's until it is dropped.
#[derive(Debug)]
pub struct Number {
    local: u32,
    shared: Arc<Shared>,
}

impl Numbers {
    pub fn new(slot: Slot) -> Self {
        let unused = Unused { free: (0..NUMBERS).collect(), reserved: BTreeSet::new() };
        Self { shared: Arc::new(Shared { slot, unused: Mutex::new(unused) }) }
    }

    /// Keeps a number that a machine of an earlier daemon of this home may carry. Before the first
    /// is taken; one that is not of this slot is nobody's here.
    pub fn reserve(&self, number: u32) {
        if let Some(local) = self.shared.local(number) {
            let mut unused = self.shared.unused();
            if unused.free.remove(&local) {
                unused.reserved.insert(local);
            }
        }
    }

    /// `None` when the slot has no more.
    pub fn take(&self) -> Option<Number> {
        let local = self.shared.unused().free.pop_first()?;
        Some(Number { local, shared: Arc::clone(&self.shared) })
    }

    /// A number that was reserved. `None` if it was not, or was taken again before.
    pub fn take_again(&self, number: u32) -> Option<Number> {
        let local = self.shared.local(number)?;
        let was_reserved = self.shared.unused().reserved.remove(&local);
        was_reserved.then(|| Number { local, shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn unused(&self) -> MutexGuard<'_, Unused> {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn local(&self, number: u32) -> Option<u32> {
        number.checked_sub(self.slot.index() * NUMBERS).filter(|local| *local < NUMBERS)
    }
}

impl Number {
    /// Unique on this host.
    pub fn value(&self) -> u32 {
        self.shared.slot.index() * NUMBERS + self.local
    }

    /// The machine's vsock address.
    pub fn cid(&self) -> u32 {
        FIRST_CID + self.value()
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        self.shared.unused().free.insert(self.local);
    }
}
