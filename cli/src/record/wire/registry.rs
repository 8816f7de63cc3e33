//! The registry of a host, and what it served to a job.

use kiln_proto::v1;

use super::known;
use crate::record::{Material, Registry, RegistryDetails, RegistryRecord, RegistryRefusal};

impl From<v1::RegistryRecord> for RegistryRecord {
    fn from(wire: v1::RegistryRecord) -> Self {
        let v1::RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete } =
            wire;
        Self {
            materials: materials.into_iter().map(Material::from).collect(),
            refusals: refusals.into_iter().map(RegistryRefusal::from).collect(),
            more_materials,
            more_refusals,
            incomplete: known(incomplete),
        }
    }
}

impl From<v1::Material> for Material {
    fn from(wire: v1::Material) -> Self {
        let v1::Material {
            kind,
            registry,
            repository,
            tag,
            digest,
            media_type,
            bytes,
            origin,
            times,
            first_at,
            last_at,
        } = wire;
        Self {
            kind,
            registry: known(registry),
            repository,
            tag: known(tag),
            digest,
            media_type,
            bytes,
            origin,
            times,
            first_at: first_at.map(Into::into),
            last_at: last_at.map(Into::into),
        }
    }
}

impl From<v1::RegistryRefusal> for RegistryRefusal {
    fn from(wire: v1::RegistryRefusal) -> Self {
        let v1::RegistryRefusal {
            registry,
            repository,
            target,
            code,
            reason,
            upstream_status,
            retry_after_seconds,
            times,
            first_at,
            last_at,
        } = wire;
        Self {
            registry: known(registry),
            repository,
            target,
            code,
            reason,
            upstream_status: (upstream_status != 0).then_some(upstream_status),
            retry_after_seconds: (retry_after_seconds != 0).then_some(retry_after_seconds),
            times,
            first_at: first_at.map(Into::into),
            last_at: last_at.map(Into::into),
        }
    }
}

impl From<v1::HostRegistry> for Registry {
    fn from(wire: v1::HostRegistry) -> Self {
        let v1::HostRegistry {
            address,
            guest_address,
            stored_bytes,
            mirrored_bytes,
            most_mirrored_bytes,
            used_bytes,
            quota_bytes,
            offline,
            troubles,
        } = wire;
        Self {
            address: known(address),
            guest_address: known(guest_address),
            stored_bytes,
            mirrored_bytes,
            most_mirrored_bytes,
            used_bytes,
            quota_bytes,
            offline,
            troubles,
        }
    }
}

impl From<v1::GetRegistryResponse> for RegistryDetails {
    fn from(v1::GetRegistryResponse { registry, mirrors }: v1::GetRegistryResponse) -> Self {
        Self { registry: registry.map(Registry::from).unwrap_or_default(), mirrors }
    }
}
