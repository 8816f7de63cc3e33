//! Why a build failed: a class, words and fields, out of what the guest claims and the host saw. Pure,
//! and a judgement, as [`crate::job::denial`] is.
//!
//! What the host saw goes before what the guest says: a registry that refused, a network that did, a
//! memory limit that was met. What the guest says tells where, and what else went wrong.

mod image;
mod words;

use std::time::SystemTime;

use self::words::Kind;
use super::event::{ErrorEvent, StepEvent};
use crate::{
    guest::{ExecExit, ExecStatus},
    job::{
        ExitStatus, Failure, FailureClass, JobSpec, Outcome, Step,
        denial::{self, Refusals},
    },
};

/// Of the engine's words in a failure's.
const MESSAGE_CHARACTERS: usize = 2000;
const STEP_CHARACTERS: usize = 200;

/// What speaks for one cause or another.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// Claimed, if the guest got to say it.
    pub error: Option<&'a ErrorEvent>,
    /// Claimed: the one that failed.
    pub step: Option<&'a StepEvent>,
    /// Claimed: the end of what steps wrote.
    pub tail: &'a [u8],
    /// Seen.
    pub refusals: Refusals<'a>,
    pub ended_at: SystemTime,
}

/// What became of the engine's client. What was killed for memory while the build succeeded was the
/// build's own to do without.
pub fn exited(exit: &ExecExit, spec: &JobSpec) -> Outcome {
    let status = match exit.status {
        ExecStatus::Code(code) => ExitStatus::code(code),
        ExecStatus::Signal(signal) => ExitStatus::signal(signal),
    };
    if exit.timed_out {
        return Outcome::Timeout;
    }
    if status.is_success() {
        return Outcome::Completed;
    }
    let failure = if exit.out_of_memory {
        let limit = spec.memory_bytes;
        let message = format!("a part of the build was killed at its limit of {} MiB", limit >> 20);
        Failure::new(FailureClass::Oom, message)
            .with("limit_bytes", limit)
            .with("peak_bytes", exit.memory_peak_bytes)
    } else if let Some(full) = &exit.disk_full {
        let resource = if full.inodes { "inodes" } else { "blocks" };
        let disk = if full.mount == ENGINE_MOUNT { "engine" } else { "scratch" };
        let size = full.size_bytes;
        let message = format!(
            "the {disk} disk of {} MiB ran out of {resource} while it was built",
            size >> 20
        );
        Failure::new(FailureClass::DiskFull, message)
            .with("disk", disk)
            .with("resource", resource)
            .with("size_bytes", size)
    } else {
        Failure::new(FailureClass::User, "the build failed")
    };
    Outcome::Failed { failure: failure.with("step", Step::Work), exit: Some(status) }
}

/// Where the engine's disk is in a guest.
const ENGINE_MOUNT: &str = "/var/lib/docker";

/// The outcome of a build as far as it is known from its client's end, made as plain as it can be.
pub fn judge(outcome: Outcome, spec: &JobSpec, evidence: Evidence<'_>) -> Outcome {
    let Outcome::Failed { failure, exit } = outcome else { return outcome };
    let Some(error) = evidence.error else { return Outcome::Failed { failure, exit } };
    let failure = match failure.class {
        // Not the build's own failure, or one that is known already.
        _ if failure.details.contains_key("reason") => failure,
        FailureClass::Oom | FailureClass::DiskFull => placed(said(failure, error), evidence),
        FailureClass::User => placed(caused(failure, spec, error, evidence), evidence),
        _ => failure,
    };
    Outcome::Failed { failure, exit }
}

fn caused(failure: Failure, spec: &JobSpec, error: &ErrorEvent, evidence: Evidence<'_>) -> Failure {
    if let Some(disk) = &error.full_disk {
        return full_output(said(failure, error), spec, disk);
    }
    let kind = words::kind(&error.message);
    let failure = kind.told(said(failure, error));
    if kind.may_be_of_outside() {
        image::explained(failure, kind, &error.message, evidence)
    } else {
        failure
    }
}

/// With the engine's words behind ours.
fn said(failure: Failure, error: &ErrorEvent) -> Failure {
    let words: String = error.message.chars().take(MESSAGE_CHARACTERS).collect();
    Failure { message: format!("{}: {words}", failure.message), ..failure }
}

fn full_output(failure: Failure, spec: &JobSpec, disk: &str) -> Failure {
    let mut outputs = spec.outputs.iter().enumerate();
    let name = outputs.find(|(index, _)| crate::disk::output_serial(*index) == disk);
    let full = Failure { class: FailureClass::DiskFull, ..failure };
    match name {
        Some((_, output)) => full
            .with("disk", "output")
            .with("output", &output.name)
            .with("size_bytes", output.max_bytes),
        None => full.with("disk", "output"),
    }
}

/// Where it was.
fn placed(mut failure: Failure, evidence: Evidence<'_>) -> Failure {
    let Evidence { error: Some(error), step, .. } = evidence else { return failure };
    let ErrorEvent { file, first_line, last_line, .. } = error;
    if !file.is_empty() && *first_line > 0 {
        failure = failure.with("file", file).with("line", first_line);
        if last_line > first_line {
            failure = failure.with("last_line", last_line);
        }
    }
    if let Some(step) = step {
        let name: String = step.name.chars().take(STEP_CHARACTERS).collect();
        failure = failure.with("build_step", step.number).with("build_step_name", name);
    }
    failure
}

/// What is refused by the network or the registry, where a build's own words may name it.
fn refused(failure: Failure, message: &str, evidence: Evidence<'_>) -> Failure {
    let Evidence { tail, refusals, ended_at, .. } = evidence;
    let text = [tail, b"\n", message.as_bytes()].concat();
    denial::explained(failure, refusals, &text, ended_at)
}

impl Kind {
    /// Whether something that was refused outside may be its cause.
    fn may_be_of_outside(&self) -> bool {
        match self {
            Self::Image { .. } | Self::Run { .. } | Self::Cache | Self::Other => true,
            Self::Dockerfile
            | Self::NoDockerfile
            | Self::NoTarget { .. }
            | Self::NoFile { .. }
            | Self::NoSecret { .. }
            | Self::NoSsh
            | Self::NoPlatform
            | Self::NotEntitled
            | Self::NoSpace
            | Self::Engine
            | Self::Cancelled => false,
        }
    }

    /// Its class, and what of it can be named. One that may be refused outside gets its reason last.
    fn told(&self, failure: Failure) -> Failure {
        let of = |class| Failure { class, ..failure.clone() };
        match self {
            Self::Dockerfile => failure.with("reason", "dockerfile"),
            Self::NoDockerfile => failure.with("reason", "no_dockerfile"),
            Self::NoTarget { name } => failure.with("reason", "no_target").with("target", name),
            Self::NoFile { path } => failure.with("reason", "no_such_file").with("path", path),
            Self::NoSecret { id } => failure.with("reason", "no_secret").with("secret", id),
            Self::NoSsh => failure.with("reason", "no_ssh"),
            Self::NoPlatform => failure.with("reason", "platform"),
            Self::NotEntitled => failure.with("reason", "not_allowed"),
            Self::NoSpace => of(FailureClass::DiskFull),
            Self::Engine => of(FailureClass::Infrastructure).with("reason", "engine"),
            Self::Cancelled => failure.with("reason", "interrupted"),
            Self::Run { code } => failure.with("exit_code", code),
            Self::Image { .. } | Self::Cache | Self::Other => failure,
        }
    }
}

#[cfg(test)]
mod tests;
