//! What is said once a build has ended: its warnings, and why it failed and where.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Write,
    time::Duration,
};

use crate::{
    display::printable,
    record::{BuildEvent, BuildFault, BuildWarning, Time},
};

/// Of the log of a step that failed.
const TAIL: usize = 10;
const WIDEST: usize = 4 << 10;
const WARNINGS: usize = 20;
/// Of the logs of all steps. Beyond it those of which least is likely to be asked are forgotten.
const MOST_HELD: usize = 8 << 20;
const RULE: &str = "--------------------";

#[derive(Debug, Default)]
pub(crate) struct Notes {
    steps: BTreeMap<u32, Told>,
    /// Of `MOST_HELD`.
    held: usize,
    /// Logs so far.
    logs: u64,
    warnings: Vec<BuildWarning>,
    more_warnings: usize,
    fault: Option<BuildFault>,
}

#[derive(Debug, Default)]
struct Told {
    name: String,
    has_failed: bool,
    has_ended: bool,
    started_at: Option<Time>,
    tail: VecDeque<Vec<u8>>,
    half: Vec<u8>,
    /// The last of all logs that is its.
    spoke_at: u64,
}

impl Notes {
    pub(crate) fn take(&mut self, event: &BuildEvent) {
        match event {
            BuildEvent::Step(step) => {
                let told = self.steps.entry(step.number).or_default();
                told.name.clone_from(&step.name);
                told.has_failed = !step.error.is_empty();
                told.has_ended = step.completed_at.is_some();
                told.started_at = told.started_at.or(step.started_at);
            }
            BuildEvent::Log(log) => {
                let told = self.steps.entry(log.step).or_default();
                let before = told.held_bytes();
                told.log(log.time, &log.data);
                self.logs += 1;
                told.spoke_at = self.logs;
                self.held = self.held - before + told.held_bytes();
                self.relieve();
            }
            BuildEvent::Warning(warning) if self.warnings.contains(warning) => {}
            BuildEvent::Warning(warning) if self.warnings.len() < WARNINGS => {
                self.warnings.push(warning.clone());
            }
            BuildEvent::Warning(_) => self.more_warnings += 1,
            BuildEvent::Fault(fault) => self.fault = Some(fault.clone()),
            BuildEvent::Progress(_) | BuildEvent::Gap { .. } => {}
        }
    }

    /// First of what went well, last of what failed; else of who has been silent longest.
    fn relieve(&mut self) {
        if self.held <= MOST_HELD {
            return;
        }
        let mut steps: Vec<_> = self.steps.values_mut().filter(|told| !told.is_silent()).collect();
        steps.sort_unstable_by_key(|told| (told.has_failed, !told.has_ended, told.spoke_at));
        for told in steps {
            if self.held <= MOST_HELD / 2 {
                return;
            }
            self.held -= told.held_bytes();
            (told.tail, told.half) = (VecDeque::new(), Vec::new());
        }
    }

    /// Empty where there are none.
    pub(super) fn warnings(&self) -> String {
        let mut text = String::new();
        let count = self.warnings.len() + self.more_warnings;
        if count == 0 {
            return text;
        }
        let plural = if count == 1 { "" } else { "s" };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "\n {count} warning{plural} found:");
        for BuildWarning { step: _, text: words, details: _, url, file, line } in &self.warnings {
            let place = match (file.as_str(), line) {
                (_, 0) => String::new(),
                ("", line) => format!(" (line {line})"),
                (file, line) => format!(" ({}:{line})", printable(file)),
            };
            let _ = writeln!(text, " - {}{place}", printable(words));
            if !url.is_empty() {
                let _ = writeln!(text, "   {}", printable(url));
            }
        }
        if self.more_warnings > 0 {
            let _ = writeln!(text, " - and {} more", self.more_warnings);
        }
        text
    }

    /// The end of the log of the step that failed, the lines of the Dockerfile, and the engine's
    /// words; empty where it said none.
    pub(crate) fn fault(&self) -> String {
        let mut text = String::new();
        let Some(fault) = &self.fault else { return text };
        let failed = self
            .steps
            .get(&fault.step)
            .or_else(|| self.steps.values().find(|told| told.has_failed && !told.tail.is_empty()));
        if let Some(told) = failed.filter(|told| !told.is_silent()) {
            let _ = writeln!(text, "------\n > {}:", printable(&told.name));
            let rest = (!told.half.is_empty()).then_some(&told.half);
            for line in told.tail.iter().chain(rest) {
                let line = String::from_utf8_lossy(line);
                let _ = writeln!(text, "{}", printable(line.trim_end()));
            }
            let _ = writeln!(text, "------");
        }
        if !fault.excerpt.is_empty() {
            let (file, line) = (printable(&fault.file), fault.first_line);
            let _ = writeln!(text, "{file}:{line}\n{RULE}");
            let _ = writeln!(text, "{}\n{RULE}", printable(&fault.excerpt));
        }
        let _ = writeln!(text, "ERROR: {}", printable(&fault.message));
        text
    }
}

impl Told {
    fn log(&mut self, time: Option<Time>, data: &[u8]) {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            if self.half.is_empty() {
                let since = match (time, self.started_at) {
                    (Some(time), Some(started_at)) => time.since(started_at),
                    _ => Duration::ZERO,
                };
                self.half.extend(format!("{:.3} ", since.as_secs_f64()).into_bytes());
            }
            let room = WIDEST.saturating_sub(self.half.len());
            self.half.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.tail.push_back(std::mem::take(&mut self.half));
                if self.tail.len() > TAIL {
                    self.tail.pop_front();
                }
            }
        }
    }

    fn held_bytes(&self) -> usize {
        let line = |line: &Vec<u8>| line.len() + size_of::<Vec<u8>>();
        self.tail.iter().map(line).sum::<usize>() + self.half.len()
    }

    fn is_silent(&self) -> bool {
        self.tail.is_empty() && self.half.is_empty()
    }
}
