//! What was served to a caller, and what was refused: a build's true materials.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::{digest::Digest, name::Host};

/// Told of each answer. Must not block.
pub trait Ledger: Send + Sync {
    fn served(&self, material: Material);
    fn refused(&self, refusal: Refusal);
}

/// A manifest or a blob of which everything that was asked for went to the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Material {
    pub kind: Kind,
    /// None: of `local/…`.
    pub registry: Option<Host>,
    pub repository: String,
    /// As it was asked for; none by digest.
    pub tag: Option<String>,
    pub digest: Digest,
    pub media_type: String,
    /// That went out: less than there are when a part was asked for, none when only what a tag means.
    pub bytes: u64,
    pub origin: Origin,
    pub at: SystemTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Manifest,
    Blob,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Pushed to this host.
    Local,
    /// Brought from its registry for this answer.
    Fetched,
    /// Stored, and the registry has just said that it is what the name means and may be read.
    Confirmed,
    /// Stored, and the registry was not asked or did not answer: a tag may mean something else now.
    Stale,
}

/// Something that was not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// None: of `local/…`, or not even a registry.
    pub registry: Option<Host>,
    /// As it was asked for, escaped and bounded.
    pub repository: String,
    pub target: String,
    /// Of the distribution specification: `DENIED`, `MANIFEST_UNKNOWN`, …
    pub code: String,
    /// In words.
    pub reason: String,
    /// What the registry outside answered, when it did.
    pub upstream_status: Option<u16>,
    /// How long it wants to be left alone from `at` on, when it said so.
    #[serde(default)]
    pub retry_after_seconds: Option<u64>,
    pub at: SystemTime,
}
