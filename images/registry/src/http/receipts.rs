//! What has gone out on a connection, and is told of when it has.
//!
//! ```text
//! body gives its last byte ─▶ signed ─▶ hyper's buffer ─▶ flushed ─▶ the ledger is told
//! ```
//! A body that breaks off, or a client that goes away before, leaves no material.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::record::{Ledger, Material};

/// Of one connection.
#[derive(Clone)]
pub(crate) struct Receipts {
    ledger: Arc<dyn Ledger>,
    signed: Arc<Mutex<Vec<Material>>>,
}

impl Receipts {
    pub(crate) fn new(ledger: Arc<dyn Ledger>) -> Self {
        Self { ledger, signed: Arc::default() }
    }

    pub(crate) fn receipt(&self, material: Material) -> Receipt {
        Receipt { signed: Arc::clone(&self.signed), material: Some(material) }
    }

    /// All that was written before is out.
    pub(crate) fn flushed(&self) {
        for material in mem::take(&mut *lock(&self.signed)) {
            self.ledger.served(material);
        }
    }
}

/// Of one answer.
pub(crate) struct Receipt {
    signed: Arc<Mutex<Vec<Material>>>,
    material: Option<Material>,
}

impl Receipt {
    /// Its last byte is about to be written.
    pub(crate) fn sign(&mut self) {
        lock(&self.signed).extend(self.material.take());
    }
}

/// Nothing panics while it is held.
fn lock(signed: &Mutex<Vec<Material>>) -> MutexGuard<'_, Vec<Material>> {
    signed.lock().unwrap_or_else(PoisonError::into_inner)
}
