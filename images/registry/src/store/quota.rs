//! What is sent or brought and is not stored yet: it counts from its first byte.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::StoreError;
use crate::repository::Space;

/// Whose room it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Payer {
    Tenant(String),
    /// What is brought from registries outside, together.
    Mirrors,
}

impl Payer {
    pub(super) fn of(space: &Space) -> Self {
        match space {
            Space::Local { tenant } | Space::Build { tenant } => Self::Tenant(tenant.clone()),
            Space::Mirror { .. } => Self::Mirrors,
        }
    }

    pub(super) fn full(&self, limit: u64, wanted: u64) -> StoreError {
        match self {
            Self::Tenant(tenant) => StoreError::Quota { tenant: tenant.clone(), limit, wanted },
            Self::Mirrors => StoreError::MirrorsFull { limit, wanted },
        }
    }
}

/// Bytes in flight, by who pays.
#[derive(Debug, Default)]
pub(super) struct Flight(Mutex<HashMap<Payer, u64>>);

/// Some of them: given back when it goes.
#[derive(Debug)]
pub(super) struct Reservation {
    flight: Arc<Flight>,
    payer: Payer,
    bytes: u64,
}

impl Flight {
    pub(super) fn of(&self, payer: &Payer) -> u64 {
        let flight = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        flight.get(payer).copied().unwrap_or(0)
    }

    pub(super) fn reserve(self: &Arc<Self>, payer: Payer, bytes: u64) -> Reservation {
        let mut reservation = Reservation { flight: Arc::clone(self), payer, bytes: 0 };
        reservation.change(bytes);
        reservation
    }
}

impl Reservation {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn payer(&self) -> &Payer {
        &self.payer
    }

    /// What is stored is asked for while the bytes in flight stand still. A blob that becomes stored
    /// at this moment counts twice rather than not at all, since it is stored before it lands.
    pub(super) fn grow(
        &mut self,
        bytes: u64,
        limit: u64,
        stored: impl FnOnce() -> Result<u64, StoreError>,
    ) -> Result<(), StoreError> {
        let mut flight = self.flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flying = flight.get(&self.payer).copied().unwrap_or(0);
        let wanted = stored()?.saturating_add(flying).saturating_add(bytes);
        if wanted > limit {
            return Err(self.payer.full(limit, wanted));
        }
        flight.insert(self.payer.clone(), flying + bytes);
        self.bytes += bytes;
        Ok(())
    }

    /// To what was really written.
    pub(super) fn change(&mut self, bytes: u64) {
        let mut flight = self.flight.0.lock().unwrap_or_else(PoisonError::into_inner);
        let flying = flight.entry(self.payer.clone()).or_default();
        *flying = flying.saturating_sub(self.bytes).saturating_add(bytes);
        self.bytes = bytes;
        if *flying == 0 {
            flight.remove(&self.payer);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.change(0);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn a() -> Payer {
        Payer::Tenant("a".to_owned())
    }

    #[test]
    fn what_is_refused_changes_nothing() {
        let flight = Arc::new(Flight::default());
        let mut one = flight.reserve(a(), 40);
        let mut other = flight.reserve(a(), 0);
        assert!(other.grow(20, 100, || Ok(40)).is_ok());
        let refused = one.grow(1, 100, || Ok(40));
        assert!(matches!(refused, Err(StoreError::Quota { wanted: 101, limit: 100, .. })));
        assert_eq!(flight.of(&a()), 60);
        drop(one);
        assert_eq!(flight.of(&a()), 20);
        let refused = flight.reserve(Payer::Mirrors, 0).grow(101, 100, || Ok(0));
        assert!(matches!(refused, Err(StoreError::MirrorsFull { wanted: 101, limit: 100 })));
    }

    proptest! {
        #[test]
        fn what_flies_is_what_was_reserved(steps in prop::collection::vec((0..4usize, 0..100u64), 1..50)) {
            let flight = Arc::new(Flight::default());
            let mut expected = [0u64; 4];
            let mut all: Vec<_> = (0..4).map(|_| flight.reserve(a(), 0)).collect();
            for (which, bytes) in steps {
                if bytes % 3 == 0 {
                    all[which].change(bytes);
                    expected[which] = bytes;
                } else if all[which].grow(bytes, 150, || Ok(0)).is_ok() {
                    expected[which] += bytes;
                }
                prop_assert_eq!(flight.of(&a()), expected.iter().sum::<u64>());
            }
            drop(all);
            prop_assert_eq!(flight.of(&a()), 0);
        }
    }
}
