//! What is said when a job of a root filesystem has ended.

use std::fmt::Write;

use crate::{
    display::{duration, printable, seconds, size},
    reason,
    record::{Job, State},
    report,
};

/// Why there is none: below the end of the console, where it did not come up.
pub(super) fn tell(job: &Job) {
    if job.state == State::Completed {
        return;
    }
    if let Some(boot) = job.boot.as_ref().filter(|boot| !boot.is_up()) {
        report::text(&tail(&boot.console_tail));
    }
    if let Some(reason) = reason::of(job) {
        report::error(&reason);
    }
}

fn tail(console: &str) -> String {
    let console = printable(console.trim_end());
    if console.is_empty() {
        return String::new();
    }
    format!("------\n > the end of the console:\n{console}\n------\n")
}

/// What came of it, on stderr; nothing of one that failed.
pub(crate) fn summary(job: &Job) {
    for line in described(job).lines() {
        report::error(line);
    }
}

fn described(job: &Job) -> String {
    let mut text = String::new();
    let Some(made) = job.rootfs.as_ref().filter(|_| job.state == State::Completed) else {
        return text;
    };
    let mut line = |words: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", printable(&words).replace('\n', " "));
    };
    let ext4 = made
        .uuid
        .as_ref()
        .map_or_else(String::new, |uuid| format!(", {} free, uuid {uuid}", size(made.free_bytes)));
    line(format!("{} {} ({}{ext4})", made.artifact, made.digest, size(made.size_bytes)));
    let digest = made.image_digest.as_deref().unwrap_or(&made.manifest_digest);
    let image = made.image.as_ref().map(|image| format!("{image} ")).unwrap_or_default();
    line(format!("of {image}{digest} ({}){}", made.platform, made.staleness()));
    let kernel = match &made.kernel_arguments[..] {
        [] => String::new(),
        words => format!("; tell its kernel {}", words.join(" ")),
    };
    line(format!("init {}{kernel}", made.init));
    if made.freed_bytes > 0 || made.secrets_removed > 0 {
        let plural = if made.secrets_removed == 1 { "" } else { "s" };
        let (freed, secrets) = (size(made.freed_bytes), made.secrets_removed);
        line(format!("{freed} taken out, {secrets} secret{plural} removed"));
    }
    line(match &job.boot {
        Some(boot) => boot.described(),
        None => "not booted".to_owned(),
    });
    if let (Some(started_at), Some(ended_at)) = (job.started_at, job.ended_at) {
        let phases: Vec<_> = job
            .phases
            .iter()
            .filter_map(|phase| {
                Some(format!("{} {}", phase.name, duration(seconds(phase.duration_seconds?))))
            })
            .collect();
        line(format!("{} ({})", duration(ended_at.since(started_at)), phases.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Boot, Rootfs};

    #[test]
    fn a_line_for_each_thing() {
        let made = Rootfs {
            digest: "sha256:d".to_owned(),
            size_bytes: 4 << 20,
            artifact: "rootfs.ext4".to_owned(),
            manifest_digest: "sha256:m".to_owned(),
            platform: "linux/amd64".to_owned(),
            uuid: Some("u".to_owned()),
            free_bytes: 1 << 20,
            init: "systemd".to_owned(),
            secrets_removed: 1,
            ..Rootfs::default()
        };
        let boot = Boot { skipped: Some("off".to_owned()), ..Boot::default() };
        let job =
            Job { state: State::Completed, rootfs: Some(made), boot: Some(boot), ..Job::default() };
        let expected = "\
rootfs.ext4 sha256:d (4 MiB, 1 MiB free, uuid u)
of sha256:m (linux/amd64)
init systemd
0 B taken out, 1 secret removed
not booted (off)
";
        assert_eq!(described(&job), expected);
        assert_eq!(described(&Job { state: State::Failed, ..job }), "");
    }

    #[test]
    fn a_console_has_a_frame_and_steers_nothing() {
        assert_eq!(tail(" \n"), "");
        assert_eq!(
            tail("one\n\x1b[2Jtwo\n"),
            "------\n > the end of the console:\none\n\\u{1b}[2Jtwo\n------\n"
        );
    }
}
