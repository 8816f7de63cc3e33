//! Records of what a registry served.

use kiln_registry::{
    digest::Digest,
    record::{Kind, Origin},
};
use proptest::{collection::vec, option, prelude::*};

use super::{text, times};
use crate::registry::{Refused, RegistryRecord, Served};

const HOSTS: &str = "[a-z]{1,9}\\.test(:[1-9][0-9]{0,3})?";

fn materials() -> impl Strategy<Value = Served> {
    let kind = prop_oneof![Just(Kind::Manifest), Just(Kind::Blob)];
    let origins = [Origin::Local, Origin::Fetched, Origin::Confirmed, Origin::Stale];
    let what = (kind, any::<[u8; 32]>(), any::<u64>(), prop::sample::select(origins.to_vec()));
    let named = (option::of(HOSTS), text(), option::of(text()), text());
    (what, named, any::<u64>(), times(), times()).prop_map(|(what, named, times, first, last)| {
        let (kind, digest, bytes, origin) = what;
        let (registry, repository, tag, media_type) = named;
        Served {
            kind,
            registry: registry.map(|host| host.parse().unwrap()),
            repository,
            tag,
            digest: Digest::from_bytes(digest),
            media_type,
            bytes,
            origin,
            times,
            first,
            last,
        }
    })
}

fn refusals() -> impl Strategy<Value = Refused> {
    let named = (option::of(HOSTS), text(), text(), text(), text());
    let answered = (option::of(any::<u16>()), option::of(any::<u64>()));
    (named, answered, any::<u64>(), times(), times()).prop_map(
        |(named, (upstream_status, retry_after_seconds), times, first, last)| {
            let (registry, repository, target, code, reason) = named;
            let registry = registry.map(|host| host.parse().unwrap());
            Refused {
                registry,
                repository,
                target,
                code,
                reason,
                upstream_status,
                retry_after_seconds,
                times,
                first,
                last,
            }
        },
    )
}

pub(in crate::store) fn registry() -> impl Strategy<Value = RegistryRecord> {
    let lists = (vec(materials(), 0..3), vec(refusals(), 0..3));
    (lists, any::<[u64; 2]>(), option::of(text())).prop_map(|(lists, counts, incomplete)| {
        let (materials, refusals) = lists;
        let [more_materials, more_refusals] = counts;
        RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete }
    })
}
