//! What the stories reported: JSON, a line for each.

use std::fmt;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::Counts;

#[derive(Debug, Default)]
pub(crate) struct StoryReport {
    stories: Vec<Story>,
    /// What ran the guests: one kind, unless something is wrong.
    machines: Vec<String>,
}

#[derive(Debug)]
struct Story {
    name: String,
    outcome: Outcome,
    seconds: f64,
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    NotRun,
}

impl StoryReport {
    pub(super) fn parse(lines: &str) -> anyhow::Result<Self> {
        let mut report = Self::default();
        for line in lines.lines() {
            let fields: Value = serde_json::from_str(line)
                .with_context(|| format!("the stories reported {line:?}"))?;
            let text = |name: &str| fields[name].as_str().map(str::to_owned);
            if let Some(vmm) = text("vmm") {
                let [version, accelerator] = ["version", "accelerator"].map(text);
                let machine = format!(
                    "{vmm} {}, {}",
                    version.unwrap_or_default(),
                    accelerator.unwrap_or_default()
                );
                if !report.machines.contains(&machine) {
                    report.machines.push(machine);
                }
                continue;
            }
            let outcome = match &*text("outcome").unwrap_or_default() {
                "passed" => Outcome::Passed,
                "failed" => Outcome::Failed,
                "not_run" => Outcome::NotRun,
                _ => bail!("the stories reported {line:?}"),
            };
            let name = text("name").with_context(|| format!("a story without a name: {line:?}"))?;
            let seconds = fields["seconds"].as_f64().unwrap_or_default();
            report.stories.push(Story { name, outcome, seconds, why: text("why") });
        }
        Ok(report)
    }

    pub(super) fn counts(&self) -> Counts {
        let count = |outcome| self.stories.iter().filter(|story| story.outcome == outcome).count();
        Counts {
            passed: count(Outcome::Passed),
            failed: count(Outcome::Failed),
            skipped: count(Outcome::NotRun),
        }
    }
}

impl fmt::Display for StoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.stories.iter().map(|story| story.name.len()).max().unwrap_or_default();
        for Story { name, outcome, seconds, why } in &self.stories {
            let outcome = match outcome {
                Outcome::Passed => "passed",
                Outcome::Failed => "FAILED",
                Outcome::NotRun => "not run",
            };
            let why = why.as_deref().and_then(|why| why.lines().next()).unwrap_or_default();
            let line = format!("  {outcome:<8}{name:<width$}{seconds:>8.1}  {why}");
            writeln!(f, "{}", line.trim_end())?;
        }
        let total: f64 = self.stories.iter().map(|story| story.seconds).sum();
        writeln!(f, "  {:<8}{:<width$}{total:>8.1}", "", "together")?;
        match &*self.machines.join("; ") {
            "" => write!(f, "no guest was run"),
            machines => write!(f, "guests ran under {machines}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_as_a_table() {
        let report = StoryReport::parse(concat!(
            r#"{"vmm":"qemu","version":"7.2.22","accelerator":"tcg"}"#,
            "\n",
            r#"{"name":"run::exit_code","outcome":"passed","seconds":3.25,"why":null}"#,
            "\n",
            r#"{"name":"limits::disk","outcome":"failed","seconds":12,"why":"it\nhad \"none\""}"#,
            "\n",
            r#"{"name":"hostile","outcome":"not_run","seconds":0,"why":"runs with --full"}"#,
            "\n",
        ))
        .unwrap();
        assert_eq!(report.counts(), Counts { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(
            report.to_string(),
            "  passed  run::exit_code     3.2\n  \
               FAILED  limits::disk      12.0  it\n  \
               not run hostile            0.0  runs with --full\n          \
                       together          15.2\n\
             guests ran under qemu 7.2.22, tcg"
        );
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["", "{", r#"{"name":"a","outcome":"maybe"}"#, r#"{"outcome":"passed"}"#] {
            assert!(StoryReport::parse(&format!("{line}\n")).is_err(), "{line:?}");
        }
    }
}
