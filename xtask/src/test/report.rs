//! What the stories reported: JSON, a line for each.

use std::fmt;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::{Counts, tiers::Tier};

#[derive(Debug, Default)]
pub(crate) struct StoryReport {
    stories: Vec<Story>,
    /// What ran the guests: one kind in each tier, unless something is wrong.
    machines: Vec<(Tier, String)>,
    /// It failed beside its stories.
    runner_failed: bool,
}

#[derive(Debug)]
struct Story {
    tier: Tier,
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
            let tier = match &*text("tier").unwrap_or_default() {
                "stories" => Tier::Stories,
                "nested" => Tier::Nested,
                _ => bail!("the stories reported {line:?}"),
            };
            if let Some(vmm) = text("vmm") {
                let [version, accelerator] = ["version", "accelerator"].map(text);
                let machine = format!(
                    "{vmm} {}, {}",
                    version.unwrap_or_default(),
                    accelerator.unwrap_or_default()
                );
                if !report.machines.contains(&(tier, machine.clone())) {
                    report.machines.push((tier, machine));
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
            report.stories.push(Story { tier, name, outcome, seconds, why: text("why") });
        }
        Ok(report)
    }

    pub(super) fn counts(&self, tier: Tier) -> Counts {
        let of_tier = || self.stories.iter().filter(|story| story.tier == tier);
        let count = |outcome| of_tier().filter(|story| story.outcome == outcome).count();
        Counts {
            passed: count(Outcome::Passed),
            failed: count(Outcome::Failed)
                + usize::from(self.runner_failed && tier == Tier::Stories),
            skipped: count(Outcome::NotRun),
        }
    }

    pub(super) fn has_failed(&self) -> bool {
        self.runner_failed || self.stories.iter().any(|story| story.outcome == Outcome::Failed)
    }

    /// Not one story, but who tells them.
    pub(super) fn fail(&mut self) {
        self.runner_failed = true;
    }

    /// Why nothing of a tier was run, where that has one reason.
    pub(super) fn missing(&self, tier: Tier) -> Option<&str> {
        let mut of_tier = self.stories.iter().filter(|story| story.tier == tier);
        let first = of_tier.next()?;
        let alike = |story: &Story| story.outcome == Outcome::NotRun && story.why == first.why;
        (alike(first) && of_tier.all(alike)).then_some(first.why.as_deref()).flatten()
    }
}

impl Story {
    /// As it is chosen by.
    fn full_name(&self) -> String {
        match self.tier {
            Tier::Nested => format!("nested::{}", self.name),
            _ => self.name.clone(),
        }
    }
}

impl fmt::Display for StoryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.stories.iter().map(Story::full_name).collect();
        let width = names.iter().map(String::len).max().unwrap_or_default();
        for (Story { outcome, seconds, why, .. }, name) in self.stories.iter().zip(&names) {
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
        if self.machines.is_empty() {
            return write!(f, "no guest was run");
        }
        write!(f, "guests ran under ")?;
        for (position, (tier, machine)) in self.machines.iter().enumerate() {
            let separator = if position == 0 { "" } else { "; " };
            write!(f, "{separator}{machine} ({})", tier.letter())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = concat!(
        r#"{"tier":"stories","vmm":"qemu","version":"7.2.22","accelerator":"tcg"}"#,
        "\n",
        r#"{"tier":"stories","name":"run::exit_code","outcome":"passed","seconds":3.25,"why":null}"#,
        "\n",
        r#"{"tier":"stories","name":"limits::disk","outcome":"failed","seconds":12,"why":"it\nhad \"none\""}"#,
        "\n",
        r#"{"tier":"nested","name":"hostile","outcome":"not_run","seconds":0,"why":"no VMM"}"#,
        "\n",
    );

    #[test]
    fn a_report_reads_as_a_table() {
        let report = StoryReport::parse(LINES).unwrap();
        assert_eq!(
            report.to_string(),
            "  passed  run::exit_code      3.2\n  \
               FAILED  limits::disk       12.0  it\n  \
               not run nested::hostile     0.0  no VMM\n          \
                       together           15.2\n\
             guests ran under qemu 7.2.22, tcg (c)"
        );
    }

    #[test]
    fn tiers_are_counted_apart() {
        let report = StoryReport::parse(LINES).unwrap();
        let counts = |tier| report.counts(tier);
        assert_eq!(counts(Tier::Stories), Counts { passed: 1, failed: 1, skipped: 0 });
        assert_eq!(counts(Tier::Nested), Counts { passed: 0, failed: 0, skipped: 1 });
        assert_eq!(report.missing(Tier::Stories), None);
        assert_eq!(report.missing(Tier::Nested), Some("no VMM"));
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "",
            "{",
            r#"{"tier":"stories","name":"a","outcome":"maybe"}"#,
            r#"{"tier":"stories","outcome":"passed"}"#,
            r#"{"name":"a","outcome":"passed"}"#,
        ] {
            assert!(StoryReport::parse(&format!("{line}\n")).is_err(), "{line:?}");
        }
    }
}
