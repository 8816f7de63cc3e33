//! What the host's registry served to a job, and what it refused.

use std::sync::Arc;

use kiln_registry::{
    digest::Digest,
    name::Host,
    record::{Kind, Origin},
};
use serde::{Deserialize, Serialize};

use super::time::{nanos_of, time_of};
use crate::registry::{Refused, RegistryRecord, Served};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Registry {
    materials: Vec<MaterialDocument>,
    refusals: Vec<RefusalDocument>,
    more_materials: u64,
    more_refusals: u64,
    incomplete: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct MaterialDocument {
    kind: Kind,
    registry: Option<Host>,
    repository: String,
    tag: Option<String>,
    digest: Digest,
    media_type: String,
    bytes: u64,
    origin: Origin,
    times: u64,
    first: i64,
    last: i64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct RefusalDocument {
    registry: Option<Host>,
    repository: String,
    target: String,
    code: String,
    reason: String,
    upstream_status: Option<u16>,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
    times: u64,
    first: i64,
    last: i64,
}

impl From<&RegistryRecord> for Registry {
    fn from(record: &RegistryRecord) -> Self {
        let RegistryRecord { materials, refusals, more_materials, more_refusals, incomplete } =
            record;
        Self {
            materials: materials.iter().map(MaterialDocument::from).collect(),
            refusals: refusals.iter().map(RefusalDocument::from).collect(),
            more_materials: *more_materials,
            more_refusals: *more_refusals,
            incomplete: incomplete.clone(),
        }
    }
}

impl From<Registry> for Arc<RegistryRecord> {
    fn from(registry: Registry) -> Self {
        let Registry { materials, refusals, more_materials, more_refusals, incomplete } = registry;
        Self::new(RegistryRecord {
            materials: materials.into_iter().map(Served::from).collect(),
            refusals: refusals.into_iter().map(Refused::from).collect(),
            more_materials,
            more_refusals,
            incomplete,
        })
    }
}

impl From<&Served> for MaterialDocument {
    fn from(served: &Served) -> Self {
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
        let (first, last) = (nanos_of(first), nanos_of(last));
        Self {
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
        }
    }
}

impl From<MaterialDocument> for Served {
    fn from(material: MaterialDocument) -> Self {
        let MaterialDocument {
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
        } = material;
        let (first, last) = (time_of(first), time_of(last));
        Self {
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
        }
    }
}

impl From<&Refused> for RefusalDocument {
    fn from(refused: &Refused) -> Self {
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
        let (first, last) = (nanos_of(first), nanos_of(last));
        Self {
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
    }
}

impl From<RefusalDocument> for Refused {
    fn from(refusal: RefusalDocument) -> Self {
        let RefusalDocument {
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
        } = refusal;
        let (first, last) = (time_of(first), time_of(last));
        Self {
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
    }
}
