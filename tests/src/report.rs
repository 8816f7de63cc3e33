//! One JSON line per story, appended for whoever started the run.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};

/// How a story ended, as it stands in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    NotRun,
}

/// The report; several processes may append to one file.
#[derive(Clone, Debug)]
pub struct Report {
    path: Option<PathBuf>,
}

impl Report {
    pub fn new(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned) }
    }

    pub(crate) fn story(
        &self,
        name: &str,
        outcome: Outcome,
        took: Duration,
        why: Option<&str>,
    ) -> anyhow::Result<()> {
        let outcome = match outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::NotRun => "not_run",
        };
        let seconds = (took.as_secs_f64() * 10.0).round() / 10.0;
        self.append(&json!({ "name": name, "outcome": outcome, "seconds": seconds, "why": why }))
    }

    /// What ran the guests of this process.
    pub fn machine(&self, vmm: &str, version: &str, accelerator: &str) -> anyhow::Result<()> {
        self.append(&json!({ "vmm": vmm, "version": version, "accelerator": accelerator }))
    }

    fn append(&self, line: &Value) -> anyhow::Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        // In one write to a file opened for appending: lines of several processes stay whole.
        OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()))
            .with_context(|| format!("appending to {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        let report = Report::new(Some(&path));
        report.machine("qemu", "7.2", "tcg").unwrap();
        report.story("a", Outcome::NotRun, Duration::ZERO, Some("\"full\"\n")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines[0]["accelerator"], "tcg");
        assert_eq!(lines[1]["why"], "\"full\"\n");
        assert_eq!(lines.len(), 2);
    }
}
