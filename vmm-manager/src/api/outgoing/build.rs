//! Builds: what was asked, what the guest says of it, what came of it.

mod entry;
mod result;
mod spec;

use kiln_proto::v1;

pub(super) use self::spec::{add_dockerfile, spec};
pub(in crate::api) use self::{entry::entry, result::result};
use crate::{
    build::{BuildRecord, StepRecord, WarningRecord},
    job::Job,
};

/// With all that there is of it.
pub(in crate::api) fn whole(job: &Job, record: Option<&BuildRecord>) -> v1::Build {
    v1::Build { job: Some(super::whole_job(job)), ..build(job, record) }
}

/// With all its steps, as `record` has them.
pub(in crate::api) fn build(job: &Job, record: Option<&BuildRecord>) -> v1::Build {
    v1::Build {
        job: Some(super::job(job)),
        graph: record.map(graph),
        result: job.build.as_deref().or(record).and_then(result),
    }
}

/// Without its steps, and what else is long: pages are of many builds.
pub(in crate::api) fn listed(job: &Job) -> v1::Build {
    v1::Build {
        job: Some(super::listed_job(job)),
        graph: None,
        result: job.build.as_deref().and_then(result),
    }
}

fn graph(record: &BuildRecord) -> v1::BuildProgressGraph {
    let BuildRecord {
        steps,
        more_steps,
        warnings,
        more_warnings,
        images: _,
        cache_key: _,
        context_bytes: _,
        context_digests: _,
        exported_bytes: _,
    } = record;
    let over = || steps.iter().filter(|step| step.completed_at.is_some());
    let cached = over().filter(|step| step.cached).count();
    let executed = over().filter(|step| !step.cached && step.error.is_none()).count();
    let count = |count| u32::try_from(count).unwrap_or(u32::MAX);
    v1::BuildProgressGraph {
        steps: steps.iter().map(step).collect(),
        more_steps: *more_steps,
        warnings: warnings.iter().map(warning).collect(),
        more_warnings: *more_warnings,
        executed: count(executed),
        cached: count(cached),
    }
}

fn step(step: &StepRecord) -> v1::Step {
    let StepRecord { number, digest, name, inputs, started_at, completed_at, cached, error } =
        step.clone();
    v1::Step {
        number,
        digest,
        name,
        inputs,
        started_at: started_at.map(Into::into),
        completed_at: completed_at.map(Into::into),
        cached,
        error: error.unwrap_or_default(),
    }
}

fn warning(warning: &WarningRecord) -> v1::Warning {
    let WarningRecord { step, text, details, url, file, line } = warning.clone();
    v1::Warning { step, text, details, url, file, line }
}
