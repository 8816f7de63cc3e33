//! What happens while the command does not run, on a terminal: one line that is gone before the
//! first byte of output.

use std::{
    borrow::Cow,
    io::{self, IsTerminal},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};

use crate::{
    display::printable,
    record::{Job, Phase, State},
    report,
};

/// Cheap to clone; all clones are the same line.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    line: Option<ProgressBar>,
    quiet: bool,
}

impl Progress {
    pub(crate) fn start(quiet: bool) -> Self {
        let is_dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        if quiet || is_dumb || !io::stderr().is_terminal() {
            return Self { line: None, quiet };
        }
        let line = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr())
            .with_finish(ProgressFinish::AndClear);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
            line.set_style(style);
        }
        line.set_message("asking kilnd");
        line.enable_steady_tick(Duration::from_millis(100));
        Self { line: Some(line), quiet }
    }

    /// Follows the job until its command runs, whose terminal it is from then on.
    pub(crate) fn show(&self, job: &Job) {
        match doing(job) {
            Some(doing) => self.say(doing),
            None => self.clear(),
        }
    }

    pub(crate) fn say(&self, doing: impl Into<Cow<'static, str>>) {
        if let Some(line) = self.line.as_ref().filter(|line| !line.is_finished()) {
            line.set_message(doing);
        }
    }

    /// A line that stays, unless the user wants quiet.
    pub(crate) fn notice(&self, message: &str) {
        if self.quiet {
            return;
        }
        match &self.line {
            Some(line) => line.suspend(|| report::error(message)),
            None => report::error(message),
        }
    }

    /// Of somebody else's, unless the user wants quiet.
    pub(crate) fn line(&self, line: &str) {
        if self.quiet {
            return;
        }
        let text = format!("{}\n", printable(line));
        match &self.line {
            Some(line) => line.suspend(|| report::text(&text)),
            None => report::text(&text),
        }
    }

    pub(crate) fn clear(&self) {
        if let Some(line) = self.line.as_ref().filter(|line| !line.is_finished()) {
            line.finish_and_clear();
        }
    }
}

/// What happens around the work, in words.
pub(crate) fn doing(job: &Job) -> Option<&'static str> {
    let of_rootfs = job.spec.rootfs.as_ref().and_then(|_| doing_rootfs(job));
    if job.state == State::Running && of_rootfs.is_some() {
        return of_rootfs;
    }
    match (job.state, job.phase) {
        (State::Queued, _) => Some("waiting in the queue"),
        (State::Running, Some(Phase::Downloading)) => Some("bringing sources in"),
        (State::Running, Some(Phase::Preparing)) => {
            Some(match job.phases.last().map(|phase| phase.name.as_str()) {
                Some("disks") => "making disks",
                Some("vmm") => "starting the virtual machine",
                Some("boot") => "booting",
                Some("hello") => "greeting the agent",
                Some("attach") => "attaching",
                Some("engine") => "starting the engine",
                _ => "preparing",
            })
        }
        (State::Running, Some(Phase::Packaging)) => {
            Some(match job.phases.last().map(|phase| phase.name.as_str()) {
                Some("publish") => "publishing",
                _ => "packing outputs",
            })
        }
        _ => None,
    }
}

/// Of a root filesystem the work is shown too: there is no command whose terminal it would be.
fn doing_rootfs(job: &Job) -> Option<&'static str> {
    match job.phases.last()?.name.as_str() {
        "fetch" => Some("bringing the image in"),
        "work" => Some("making the root filesystem"),
        "pack" | "ingest" => Some("taking it over"),
        "check" => Some("booting what was made"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{PhaseTime, RootfsOptions, Spec};

    #[test]
    fn phases_have_words_until_the_command_runs() {
        let check = |state, phase, name: &str, expected| {
            let phases = vec![PhaseTime { name: name.to_owned(), ..PhaseTime::default() }];
            assert_eq!(doing(&Job { state, phase, phases, ..Job::default() }), expected);
        };
        check(State::Queued, None, "queue", Some("waiting in the queue"));
        check(State::Running, Some(Phase::Preparing), "boot", Some("booting"));
        check(State::Running, Some(Phase::Preparing), "new", Some("preparing"));
        check(State::Running, Some(Phase::Building), "work", None);
        check(State::Completed, None, "work", None);
    }

    #[test]
    fn a_root_filesystems_work_has_words_too() {
        let check = |state, phase, name: &str, expected| {
            let phases = vec![PhaseTime { name: name.to_owned(), ..PhaseTime::default() }];
            let spec = Spec { rootfs: Some(RootfsOptions::default()), ..Spec::default() };
            assert_eq!(doing(&Job { state, phase, phases, spec, ..Job::default() }), expected);
        };
        let making = Some("making the root filesystem");
        check(State::Queued, None, "queue", Some("waiting in the queue"));
        check(State::Running, Some(Phase::Preparing), "boot", Some("booting"));
        check(State::Running, Some(Phase::Building), "work", making);
        check(State::Running, Some(Phase::Packaging), "check", Some("booting what was made"));
        check(State::Completed, None, "check", None);
    }
}
