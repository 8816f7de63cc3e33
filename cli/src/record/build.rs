//! Builds: what was asked, what the steps did, and what came of it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;

use super::{Job, Time};
use crate::output::Stream;

/// A job, and beside it what builds have beyond one.
#[expect(clippy::struct_field_names, reason = "JSON has it by that name")]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Build {
    #[serde(flatten)]
    pub(crate) job: Job,
    pub(crate) build: BuildRecord,
    /// Records of what `kiln build` had made of its images, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) root_filesystems: Vec<Job>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct BuildRecord {
    pub(crate) steps: Vec<Step>,
    /// Over kilnd's bound, and not listed.
    pub(crate) more_steps: u32,
    pub(crate) warnings: Vec<BuildWarning>,
    pub(crate) more_warnings: u32,
    /// Steps that did work, and those that were taken from a cache.
    pub(crate) executed: u32,
    pub(crate) cached: u32,
    /// `None` before its exports are the host's.
    pub(crate) result: Option<BuildResult>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct BuildResult {
    pub(crate) images: Vec<BuiltImage>,
    pub(crate) cache_key: String,
    pub(crate) context_bytes: u64,
    pub(crate) context_digests: Vec<String>,
    pub(crate) exported_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct BuiltImage {
    pub(crate) export: String,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) platforms: Vec<BuiltPlatform>,
    pub(crate) names: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct BuiltPlatform {
    pub(crate) platform: String,
    pub(crate) manifest: Option<Content>,
    pub(crate) config: Option<Content>,
    pub(crate) layers: Vec<Content>,
    pub(crate) attestations: Vec<Content>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Content {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) size_bytes: u64,
}

/// What a build was asked for, as people look for it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BuildOptions {
    /// `None`: it came with the request.
    pub(crate) dockerfile: Option<String>,
    pub(crate) target: String,
    pub(crate) build_args: BTreeMap<String, String>,
    pub(crate) platforms: Vec<String>,
    /// Of all exports, in order.
    pub(crate) names: Vec<String>,
    /// By name, with what each is: `image` or `tree`.
    pub(crate) exports: BTreeMap<String, &'static str>,
}

#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize)]
pub(crate) struct Step {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) digest: String,
    pub(crate) name: String,
    pub(crate) inputs: Vec<u32>,
    pub(crate) started_at: Option<Time>,
    pub(crate) completed_at: Option<Time>,
    pub(crate) cached: bool,
    /// Empty for one that went well.
    pub(crate) error: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BuildWarning {
    pub(crate) step: u32,
    pub(crate) text: String,
    pub(crate) details: Vec<String>,
    pub(crate) url: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

/// What stands in a build's log.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum BuildEvent {
    Step(Step),
    Log(StepLog),
    Progress(StepProgress),
    Warning(BuildWarning),
    Fault(BuildFault),
    Gap { dropped_bytes: u64 },
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StepLog {
    pub(crate) step: u32,
    pub(crate) stream: Stream,
    pub(crate) time: Option<Time>,
    pub(crate) data: Bytes,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct StepProgress {
    pub(crate) step: u32,
    pub(crate) id: String,
    pub(crate) current: u64,
    /// 0: not known.
    pub(crate) total: u64,
    pub(crate) started_at: Option<Time>,
    pub(crate) completed_at: Option<Time>,
}

/// Why a build failed, in its engine's words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BuildFault {
    pub(crate) message: String,
    /// 0: none did.
    pub(crate) step: u32,
    pub(crate) file: String,
    pub(crate) first_line: u32,
    pub(crate) last_line: u32,
    pub(crate) excerpt: String,
}
