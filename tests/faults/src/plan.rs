//! What is asked of the library inside the program.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};

use crate::Rule;

/// Names the file that holds the plan.
pub const PLAN_VARIABLE: &str = "KILN_FAULTS_PLAN";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Only calls on what lies below it are looked at.
    pub directory: PathBuf,
    /// Only in the program of this name: its children inherit the library, and are left alone.
    pub program: String,
    /// Outside the directory. Faults are noted there, and with `record` every call.
    pub log: PathBuf,
    pub record: bool,
    pub rules: Vec<Rule>,
}

impl Plan {
    pub fn new(
        directory: impl Into<PathBuf>,
        program: impl Into<String>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            directory: directory.into(),
            program: program.into(),
            log: log.into(),
            record: false,
            rules: Vec::new(),
        }
    }

    #[must_use]
    pub fn recording(self) -> Self {
        Self { record: true, ..self }
    }

    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Writes the plan down and answers the environment in which a program follows it.
    pub fn arm(
        &self,
        preload: &Path,
        file: &Path,
    ) -> anyhow::Result<[(&'static str, OsString); 2]> {
        fs::write(file, self.render()).with_context(|| format!("writing {}", file.display()))?;
        Ok([("LD_PRELOAD", preload.into()), (PLAN_VARIABLE, file.into())])
    }

    fn render(&self) -> String {
        let mut text = format!(
            "directory\t{}\nprogram\t{}\nlog\t{}\nrecord\t{}\n",
            self.directory.display(),
            self.program,
            self.log.display(),
            self.record
        );
        for rule in &self.rules {
            text.extend(["rule\t", &rule.render(), "\n"]);
        }
        text
    }

    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut plan = Self::new("", "", "");
        for line in text.lines() {
            let (name, value) = line.split_once('\t').context("a line without a value")?;
            match name {
                "directory" => plan.directory = value.into(),
                "program" => value.clone_into(&mut plan.program),
                "log" => plan.log = value.into(),
                "record" => plan.record = value.parse()?,
                "rule" => plan.rules.push(Rule::parse(value)?),
                _ => bail!("a plan has no {name}"),
            }
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Action, Operation};

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let plan = Plan::new("/a b/home", "kilnd-stub", "/a b/log")
            .recording()
            .rule(
                Rule::new(Action::NoSpace, &[Operation::Write, Operation::Sync], "store/").first(7),
            )
            .rule(Rule::new(Action::Short, &Operation::ALL, "").after("/x").until("/y"));
        assert_eq!(Plan::parse(&plan.render()).unwrap(), plan);
    }

    #[test]
    fn what_is_no_plan_is_refused() {
        for text in ["directory", "what\tever", "rule\tw\tx", "rule\tw\t\t1\t1\t\t\tboom"] {
            assert!(Plan::parse(text).is_err(), "{text}");
        }
    }
}
