//! Why a job ended otherwise than by its own exit code, in one sentence.

mod signal;
#[cfg(test)]
mod tests;

use crate::{
    display::{duration, printable, seconds, size},
    exit_code,
    record::{Failure, FailureClass, Job, State},
};

/// `None` when the exit code says it all, or the job has not ended.
pub(crate) fn of(job: &Job) -> Option<String> {
    match job.state {
        State::Queued | State::Running | State::Completed | State::Unknown => None,
        State::Cancelled => Some("cancelled".to_owned()),
        State::Timeout => Some(match job.spec.timeout_seconds {
            Some(limit) => format!("timed out after {}", duration(seconds(limit))),
            None => "timed out".to_owned(),
        }),
        State::Failed => match &job.failure {
            Some(failure) => of_failure(job, failure),
            None => Some("the job failed and its record does not say why".to_owned()),
        },
    }
}

fn of_failure(job: &Job, failure: &Failure) -> Option<String> {
    let message = printable(&failure.message);
    match failure.class {
        FailureClass::User if failure.details.contains_key("reason") => Some(message.into_owned()),
        // The exit code of the engine, or of the converter, says nothing to anybody.
        FailureClass::User if job.spec.has_artifacts() => Some(message.into_owned()),
        FailureClass::User => match &job.exit {
            Some(exit) => exit.signal.map(ended_by),
            None => Some(message.into_owned()),
        },
        FailureClass::Oom => Some(format!(
            "out of memory: the {} was killed at its limit of {} (raise --memory)",
            who(job),
            size(number(failure, "limit_bytes").unwrap_or(job.spec.memory_bytes)),
        )),
        FailureClass::DiskFull => Some(format!(
            "the {} disk {} ({}; raise --disk){}",
            printable(failure.details.get("disk").map_or("scratch", String::as_str)),
            match failure.details.get("resource").map(String::as_str) {
                Some("inodes") => "has no inodes left",
                _ => "is full",
            },
            size(number(failure, "size_bytes").unwrap_or(job.spec.disk_bytes)),
            exit_after(job),
        )),
        FailureClass::Source if exit_code::is_not_bootable(job) => {
            Some(format!("it can't be booted: {message}"))
        }
        FailureClass::Source => Some(match failure.details.get("source") {
            Some(source) => format!("could not bring in {:?}: {message}", printable(source)),
            None => format!("could not bring in a source: {message}"),
        }),
        // It names the host and what it was asked for.
        FailureClass::Registry if job.exit.is_some() => Some(message.into_owned()),
        FailureClass::Registry => Some(match failure.details.get("host") {
            Some(host) => format!("the registry {} failed: {message}", printable(host)),
            None => format!("a registry failed: {message}"),
        }),
        // It names the host.
        FailureClass::EgressDenied => Some(message.into_owned()),
        FailureClass::Policy => Some(format!("stopped for breaking the protocol: {message}")),
        FailureClass::Infrastructure => Some(match failure.details.get("step") {
            Some(step) => format!("Kiln failed at step {:?}: {message}", printable(step)),
            None => format!("Kiln failed: {message}"),
        }),
        FailureClass::Unknown => Some(format!("the job failed: {message}")),
    }
}

/// What had the memory.
fn who(job: &Job) -> &'static str {
    let spec = &job.spec;
    if spec.build.is_some() {
        "build"
    } else if spec.rootfs.is_some() {
        "conversion"
    } else if spec.boot.is_some() {
        "machine"
    } else {
        "command"
    }
}

fn ended_by(number: i32) -> String {
    match signal::name(number) {
        Some(name) => format!("the command was ended by signal {number} ({name})"),
        None => format!("the command was ended by signal {number}"),
    }
}

fn exit_after(job: &Job) -> String {
    job.exit.as_ref().map_or_else(String::new, |exit| match exit.signal {
        Some(number) => format!("; {}", ended_by(number)),
        None => format!("; the command exited with {}", exit.code),
    })
}

fn number(failure: &Failure, field: &str) -> Option<u64> {
    failure.details.get(field)?.parse().ok()
}
