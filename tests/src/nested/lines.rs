//! What a run reports: a line of JSON for each story, and its own end.
//!
//! A line counts when it is whole, so a report can be read while it grows.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::report::Outcome;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// What ran the guests: its name, its version and its accelerator.
    Machine([String; 3]),
    Story(String, Told),
    /// How many stories there were.
    End(usize),
}

/// How a story ended in the run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
    pub(crate) why: Option<String>,
}

impl Told {
    pub(crate) fn not_run(why: String) -> Self {
        Self { outcome: Outcome::NotRun, took: Duration::ZERO, why: Some(why) }
    }

    pub(crate) fn failed(why: String) -> Self {
        Self { outcome: Outcome::Failed, took: Duration::ZERO, why: Some(why) }
    }
}

/// A report that grows.
#[derive(Debug)]
pub(super) struct Lines {
    file: File,
    unfinished: Vec<u8>,
}

impl Lines {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, unfinished: Vec::new() })
    }

    /// What came since the last time.
    pub(super) fn read(&mut self) -> anyhow::Result<Vec<Line>> {
        self.file.read_to_end(&mut self.unfinished).context("reading the run's report")?;
        let mut lines = Vec::new();
        while let Some(length) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.unfinished.drain(..=length).collect();
            let text = String::from_utf8_lossy(&line);
            lines.push(parse(&text).with_context(|| format!("the run reported {text:?}"))?);
        }
        Ok(lines)
    }
}

fn parse(line: &str) -> anyhow::Result<Line> {
    let fields: Value = serde_json::from_str(line)?;
    if let Some(count) = fields["told"].as_u64() {
        return Ok(Line::End(usize::try_from(count)?));
    }
    let text = |name: &str| fields[name].as_str().map(str::to_owned);
    if let Some(vmm) = text("vmm") {
        let [version, accelerator] =
            ["version", "accelerator"].map(text).map(Option::unwrap_or_default);
        return Ok(Line::Machine([vmm, version, accelerator]));
    }
    let outcome = text("outcome").and_then(|outcome| Outcome::named(&outcome));
    let seconds =
        fields["seconds"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    match (text("name"), outcome, seconds) {
        (Some(name), Some(outcome), Some(took)) => {
            Ok(Line::Story(name, Told { outcome, took, why: text("why") }))
        }
        _ => bail!("neither a story nor a machine nor an end"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::{Report, settings::Tier};

    #[test]
    fn what_a_report_says_is_read_as_it_grows() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        File::create(&path).unwrap();
        let mut lines = Lines::of(&path).unwrap();
        assert_eq!(lines.read().unwrap(), []);
        let report = Report::new(Some(&path), Tier::Nested);
        report.machine("cloud-hypervisor", "v53.0", "kvm").unwrap();
        let took = Duration::from_millis(1500);
        report.story("run::one", Outcome::Failed, took, Some("\"why\"\n")).unwrap();
        report.end(1).unwrap();
        let told = Told { outcome: Outcome::Failed, took, why: Some("\"why\"\n".to_owned()) };
        let expected = [
            Line::Machine(["cloud-hypervisor", "v53.0", "kvm"].map(str::to_owned)),
            Line::Story("run::one".to_owned(), told),
            Line::End(1),
        ];
        assert_eq!(lines.read().unwrap(), expected);
        assert_eq!(lines.read().unwrap(), []);
    }

    #[test]
    fn half_a_line_waits_and_nonsense_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        let mut file = File::create(&path).unwrap();
        let mut lines = Lines::of(&path).unwrap();
        file.write_all(b"{\"told\"").unwrap();
        assert_eq!(lines.read().unwrap(), []);
        file.write_all(b":3}\r\n").unwrap();
        assert_eq!(lines.read().unwrap(), [Line::End(3)]);
        for nonsense in ["\n", "{}\n", "{\"name\":\"a\",\"outcome\":\"perhaps\",\"seconds\":1}\n"] {
            let mut lines = Lines::of(&path).unwrap();
            file.write_all(nonsense.as_bytes()).unwrap();
            assert!(lines.read().is_err(), "{nonsense:?}");
        }
    }
}
