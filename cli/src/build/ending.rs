//! What is said when a build has ended, besides how `kiln run` says it.

use std::fmt::Write;

use super::{metadata, notes::Notes};
use crate::{
    display::{duration, printable, seconds, size},
    output::{self, OutputError},
    reason,
    record::{Build, FailureClass, Job, State},
    report,
    run::Ended,
};

impl Build {
    pub(crate) fn has_completed(&self) -> bool {
        self.job.state == State::Completed
    }
}

impl Ended for Build {
    fn job(&self) -> &Job {
        &self.job
    }
}

/// Warnings and the engine's words, above Kiln's own.
pub(super) fn tell(build: &Build, notes: &Notes, is_quiet: bool) {
    if !is_quiet {
        report::text(&notes.warnings());
    }
    if build.has_completed() {
        return;
    }
    let fault = notes.fault();
    report::text(&fault);
    if let Some(words) = own_words(&build.job, !fault.is_empty()) {
        report::error(&words);
    }
}

/// Kiln's reason; what the engine said already is not said twice, but for what to do about it.
fn own_words(job: &Job, has_fault: bool) -> Option<String> {
    let reason = reason::of(job)?;
    let failure = job.failure.as_ref();
    let hint = failure.and_then(|failure| match failure.class {
        FailureClass::EgressDenied => {
            let host = failure.details.get("host")?;
            let rule = match failure.details.get("port").map(String::as_str) {
                Some("443") | None => host.clone(),
                Some(port) => format!("{host}:{port}"),
            };
            let known = failure.message.contains("--egress");
            (!known).then(|| format!("add --egress allow={}", printable(&rule)))
        }
        _ => None,
    });
    let is_users = failure.is_some_and(|failure| failure.class == FailureClass::User);
    match (is_users && has_fault, hint) {
        (true, _) => None,
        (false, Some(hint)) => Some(format!("{reason}; {hint}")),
        (false, None) => Some(reason),
    }
}

/// What came of it, on stderr; the id alone on stdout, where that was asked for.
pub(super) fn summary(build: &Build, is_quiet: bool) -> Result<(), OutputError> {
    if is_quiet {
        return match metadata::image_id(build) {
            Some(id) => output::print_line(id),
            None => Ok(()),
        };
    }
    let mut text = String::new();
    for image in build.build.result.iter().flat_map(|result| &result.images) {
        let platforms: Vec<_> = image.platforms.iter().map(|each| each.platform.as_str()).collect();
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{} {} ({}, {})",
            image.export,
            image.digest,
            size(image.size_bytes),
            printable(&platforms.join(", ")),
        );
        for name in &image.names {
            let _ = writeln!(text, "named {name}");
        }
    }
    if let (Some(started_at), Some(ended_at)) = (build.job.started_at, build.job.ended_at) {
        let phases: Vec<_> = build
            .job
            .phases
            .iter()
            .filter_map(|phase| {
                Some(format!("{} {}", phase.name, duration(seconds(phase.duration_seconds?))))
            })
            .collect();
        let (cached, all) = (build.build.cached, build.build.cached + build.build.executed);
        let took = duration(ended_at.since(started_at));
        let _ = writeln!(text, "{cached} of {all} steps cached; {took} ({})", phases.join(", "));
    }
    for line in text.lines() {
        report::error(line);
    }
    Ok(())
}
