//! What the host's registry served to a guest.

use kiln_proto::v1;
use kiln_registry::{
    name::Host,
    record::{Kind, Origin},
};

use crate::registry::{Refused, RegistryRecord, RegistryState, Served};

pub(in crate::api) fn host(state: &RegistryState) -> v1::HostRegistry {
    let RegistryState {
        address,
        guest_address,
        mirrored_bytes,
        most_mirrored_bytes,
        used_bytes,
        quota_bytes,
        is_offline,
        troubles,
    } = state.clone();
    v1::HostRegistry {
        address: address.map(|address| address.to_string()).unwrap_or_default(),
        guest_address: guest_address.unwrap_or_default(),
        stored_bytes: mirrored_bytes.saturating_add(used_bytes),
        mirrored_bytes,
        most_mirrored_bytes,
        used_bytes,
        quota_bytes,
        offline: is_offline,
        troubles,
    }
}

pub(super) fn record(record: &RegistryRecord) -> v1::RegistryRecord {
    let RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete } = record;
    v1::RegistryRecord {
        materials: materials.iter().map(material).collect(),
        refusals: refusals.iter().map(refusal).collect(),
        more_materials: *more_materials,
        more_refusals: *more_refusals,
        incomplete: incomplete.clone().unwrap_or_default(),
    }
}

fn material(served: &Served) -> v1::Material {
    let Served {
        kind,
        registry,
        repository,
        tag,
        digest,
        media_type,
        bytes,
        origin,
        times,
        first,
        last,
    } = served.clone();
    let kind = match kind {
        Kind::Manifest => "manifest",
        Kind::Blob => "blob",
    };
    let origin = match origin {
        Origin::Local => "local",
        Origin::Fetched => "fetched",
        Origin::Confirmed => "confirmed",
        Origin::Stale => "stale",
    };
    v1::Material {
        kind: kind.to_owned(),
        registry: named(registry.as_ref()),
        repository,
        tag: tag.unwrap_or_default(),
        digest: digest.to_string(),
        media_type,
        bytes,
        origin: origin.to_owned(),
        times,
        first_at: Some(first.into()),
        last_at: Some(last.into()),
    }
}

fn refusal(refused: &Refused) -> v1::RegistryRefusal {
    let Refused {
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
    } = refused.clone();
    v1::RegistryRefusal {
        registry: named(registry.as_ref()),
        repository,
        target,
        code,
        reason,
        upstream_status: upstream_status.map_or(0, u32::from),
        retry_after_seconds: retry_after_seconds.unwrap_or(0),
        times,
        first_at: Some(first.into()),
        last_at: Some(last.into()),
    }
}

fn named(registry: Option<&Host>) -> String {
    registry.map(ToString::to_string).unwrap_or_default()
}
