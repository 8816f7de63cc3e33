//! What has become of a build, as it stands in its job's record.

use std::time::SystemTime;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildRecord {
    /// Claimed by the guest; by number, from 1.
    pub steps: Vec<StepRecord>,
    /// Over the bound.
    pub more_steps: u32,
    /// Claimed by the guest.
    pub warnings: Vec<WarningRecord>,
    pub more_warnings: u32,
    /// Once its exports are the host's; counted and hashed there, as is all below.
    pub images: Vec<Image>,
    /// `sha256:` and 64 hex digits; of what was asked, never of a secret.
    pub cache_key: String,
    pub context_bytes: u64,
    /// In the order of the spec's inputs.
    pub context_digests: Vec<String>,
    pub exported_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepRecord {
    pub number: u32,
    pub digest: String,
    pub name: String,
    pub inputs: Vec<u32>,
    pub started_at: Option<SystemTime>,
    pub completed_at: Option<SystemTime>,
    pub cached: bool,
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarningRecord {
    pub step: u32,
    pub text: String,
    pub details: Vec<String>,
    pub url: String,
    pub file: String,
    pub line: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Name of the export.
    pub export: String,
    pub content: Content,
    /// Of all content, each once.
    pub total_bytes: u64,
    pub platforms: Vec<PlatformImage>,
    /// What it is called now, here and outside.
    pub names: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformImage {
    pub platform: String,
    pub manifest: Content,
    pub config: Content,
    pub layers: Vec<Content>,
    pub attestations: Vec<Content>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub digest: String,
    pub media_type: String,
    pub size_bytes: u64,
}
