//! One JSON line per story, appended for whoever started the run.

use std::{
    fs::OpenOptions,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::settings::Tier;

/// How a story ended, as it stands in the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    NotRun,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Passed, Self::Failed, Self::NotRun];

    fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::NotRun => "not_run",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// The report; several processes may append to one file.
#[derive(Clone, Debug)]
pub struct Report {
    path: Option<PathBuf>,
    tier: Tier,
}

impl Report {
    pub fn new(path: Option<&Path>, tier: Tier) -> Self {
        Self { path: path.map(Path::to_owned), tier }
    }

    pub(crate) fn story(
        &self,
        name: &str,
        outcome: Outcome,
        took: Duration,
        why: Option<&str>,
    ) -> anyhow::Result<()> {
        let seconds = (took.as_secs_f64() * 10.0).round() / 10.0;
        self.append(&json!({
            "tier": self.tier.name(),
            "name": name,
            "outcome": outcome.name(),
            "seconds": seconds,
            "why": why,
        }))
    }

    /// What ran the guests of this process.
    pub fn machine(&self, vmm: &str, version: &str, accelerator: &str) -> anyhow::Result<()> {
        self.append(&json!({
            "tier": self.tier.name(),
            "vmm": vmm,
            "version": version,
            "accelerator": accelerator,
        }))
    }

    /// That nothing follows, after so many stories.
    pub(crate) fn end(&self, told: usize) -> anyhow::Result<()> {
        self.append(&json!({ "told": told }))
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
        let report = Report::new(Some(&path), Tier::Stories);
        report.machine("qemu", "7.2", "tcg").unwrap();
        report.story("a", Outcome::NotRun, Duration::ZERO, Some("\"full\"\n")).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            (&lines[0]["accelerator"], &lines[0]["tier"]),
            (&"tcg".into(), &"stories".into())
        );
        assert_eq!(lines[1]["why"], "\"full\"\n");
        assert_eq!(lines.len(), 2);
    }
}
