//! Room for what is brought from registries outside: what is stored, in flight and kept in parts is
//! together within one limit. For what comes, parts that nobody goes on with make room first, then
//! what was used longest ago.

use std::sync::{Arc, PoisonError};

use super::{
    Collected, StoreError, collect,
    download::Claims,
    inner::Inner,
    quota::{Payer, Reservation},
    usage,
};

/// For so many bytes more of a download.
pub(super) fn take(
    inner: &Arc<Inner>,
    reservation: &mut Reservation,
    bytes: u64,
) -> Result<(), StoreError> {
    let limit = inner.limits.mirror_bytes;
    let mut grow =
        || reservation.grow(bytes, limit, || Ok(usage::mirrored(inner)? + inner.downloads.kept()));
    match grow() {
        Err(StoreError::MirrorsFull { .. }) => {
            make(inner, bytes)?;
            grow()
        }
        grown => grown,
    }
}

/// For so many bytes that are stored at once.
pub(super) fn admit(inner: &Arc<Inner>, bytes: u64) -> Result<(), StoreError> {
    let limit = inner.limits.mirror_bytes;
    if wanted(inner, bytes)? > limit {
        make(inner, bytes)?;
    }
    let wanted = wanted(inner, bytes)?;
    if wanted > limit { Err(Payer::Mirrors.full(limit, wanted)) } else { Ok(()) }
}

/// As far as it goes: whoever asked looks again.
pub(super) fn make(inner: &Arc<Inner>, bytes: u64) -> Result<Collected, StoreError> {
    let _alone = inner.making_room.lock().unwrap_or_else(PoisonError::into_inner);
    let limit = inner.limits.mirror_bytes;
    let mut unclaimed = inner.downloads.unclaimed().into_iter();
    while wanted(inner, bytes)? > limit {
        let Some((part, _)) = unclaimed.next() else {
            // Where even an empty store would not do, what is stored stays.
            let left = limit.checked_sub(coming(inner).saturating_add(bytes));
            return left.map_or(Ok(Collected::default()), |left| collect::evict_to(inner, left));
        };
        Claims::discard(inner, &part);
    }
    Ok(Collected::default())
}

fn wanted(inner: &Inner, bytes: u64) -> Result<u64, StoreError> {
    Ok(usage::mirrored(inner)?.saturating_add(coming(inner)).saturating_add(bytes))
}

/// What is not stored yet.
fn coming(inner: &Inner) -> u64 {
    inner.flight.of(&Payer::Mirrors).saturating_add(inner.downloads.kept())
}
