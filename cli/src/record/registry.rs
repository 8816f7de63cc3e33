//! The registry of a host, and what it served to a job.

use serde::Serialize;

use super::Time;

/// A job's materials, as the host saw them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct RegistryRecord {
    pub(crate) materials: Vec<Material>,
    pub(crate) refusals: Vec<RegistryRefusal>,
    /// Not listed.
    pub(crate) more_materials: u64,
    pub(crate) more_refusals: u64,
    /// A part of it was lost, and why.
    pub(crate) incomplete: Option<String>,
}

/// A manifest or a blob that went to the guest whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Material {
    pub(crate) kind: String,
    /// `None` for this host's own.
    pub(crate) registry: Option<String>,
    pub(crate) repository: String,
    /// `None` when it was asked for by its digest.
    pub(crate) tag: Option<String>,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) bytes: u64,
    pub(crate) origin: String,
    pub(crate) times: u64,
    pub(crate) first_at: Option<Time>,
    pub(crate) last_at: Option<Time>,
}

/// Something that was not served.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct RegistryRefusal {
    pub(crate) registry: Option<String>,
    pub(crate) repository: String,
    pub(crate) target: String,
    /// Of the OCI distribution specification.
    pub(crate) code: String,
    pub(crate) reason: String,
    /// `None` when no registry outside answered.
    pub(crate) upstream_status: Option<u32>,
    /// How long it wants to be left alone, when it said so.
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) times: u64,
    pub(crate) first_at: Option<Time>,
    pub(crate) last_at: Option<Time>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Registry {
    /// `None` where it does not listen for clients on the host.
    pub(crate) address: Option<String>,
    /// `None` where no guest has a network.
    pub(crate) guest_address: Option<String>,
    pub(crate) stored_bytes: u64,
    pub(crate) mirrored_bytes: u64,
    pub(crate) most_mirrored_bytes: u64,
    /// Of the tenant's own.
    pub(crate) used_bytes: u64,
    pub(crate) quota_bytes: u64,
    pub(crate) offline: bool,
    pub(crate) troubles: Vec<String>,
}

/// What `kiln image registry` shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct RegistryDetails {
    #[serde(flatten)]
    pub(crate) registry: Registry,
    /// The operator's list.
    pub(crate) mirrors: Vec<String>,
}
