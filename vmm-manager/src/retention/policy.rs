//! What is kept and what goes. Pure: the jobs, the limits and the time are handed in.

use std::{
    cmp::Reverse,
    time::{Duration, SystemTime},
};

use crate::job::JobId;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetentionLimits {
    /// So many ended jobs.
    pub jobs: usize,
    /// Since a job's end.
    pub job_age: Duration,
    /// Since their job's end.
    pub output_age: Duration,
    /// Of all jobs' outputs together.
    pub output_bytes: u64,
}

/// What the policy must know of a job that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedJob {
    pub id: JobId,
    pub ended_at: SystemTime,
    /// Of the outputs that have not expired; `None` when there are none.
    pub output_bytes: Option<u64>,
    /// Somebody reads what it left.
    pub in_use: bool,
}

/// What has to go. What is in neither list stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// With everything that they left.
    pub forget: Vec<JobId>,
    /// Their outputs alone.
    pub expire: Vec<JobId>,
}

/// The newest stay. What is in use stays too, and counts.
pub fn judge(mut jobs: Vec<EndedJob>, limits: &RetentionLimits, now: SystemTime) -> Verdict {
    jobs.sort_by(|a, b| Reverse((a.ended_at, &a.id)).cmp(&Reverse((b.ended_at, &b.id))));
    // A clock that was set back makes nothing older.
    let age = |job: &EndedJob| now.duration_since(job.ended_at).unwrap_or_default();
    let bytes_in_use = jobs.iter().filter(|job| job.in_use).filter_map(|job| job.output_bytes);
    let mut room = limits.output_bytes.saturating_sub(bytes_in_use.sum());
    let mut places = limits.jobs.saturating_sub(jobs.iter().filter(|job| job.in_use).count());
    let mut verdict = Verdict::default();
    for job in jobs.into_iter().filter(|job| !job.in_use) {
        if places == 0 || age(&job) > limits.job_age {
            verdict.forget.push(job.id);
            continue;
        }
        places -= 1;
        let Some(bytes) = job.output_bytes else { continue };
        if age(&job) > limits.output_age || bytes > room {
            // Nothing older takes the place of what did not fit.
            room = 0;
            verdict.expire.push(job.id);
        } else {
            room -= bytes;
        }
    }
    verdict
}
