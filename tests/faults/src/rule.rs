//! Which calls a fault meets.

use std::path::PathBuf;

use anyhow::Context as _;

use crate::{Action, Operation};

/// Counts the calls that it matches, and acts on some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub operations: Vec<Operation>,
    /// A part of the path; empty for every path.
    pub path: String,
    /// The first call that it acts on, from 1.
    pub first: u64,
    /// How many calls in a row; `u64::MAX` for every one from then on.
    pub times: u64,
    /// Matches nothing before this file is there.
    pub after: Option<PathBuf>,
    /// Acts no more once this file is there: space was freed.
    pub until: Option<PathBuf>,
    pub action: Action,
}

impl Rule {
    /// On the first call of this kind, once.
    pub fn new(action: Action, operations: &[Operation], path: &str) -> Self {
        Self {
            operations: operations.to_vec(),
            path: path.to_owned(),
            first: 1,
            times: 1,
            after: None,
            until: None,
            action,
        }
    }

    #[must_use]
    pub fn first(self, first: u64) -> Self {
        Self { first, ..self }
    }

    #[must_use]
    pub fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    #[must_use]
    pub fn after(self, flag: impl Into<PathBuf>) -> Self {
        Self { after: Some(flag.into()), ..self }
    }

    /// On every call from the first on, until the file is there.
    #[must_use]
    pub fn until(self, flag: impl Into<PathBuf>) -> Self {
        Self { until: Some(flag.into()), times: u64::MAX, ..self }
    }

    pub(crate) fn render(&self) -> String {
        let operations: String =
            self.operations.iter().map(|operation| char::from(operation.byte())).collect();
        let flag = |flag: &Option<PathBuf>| {
            flag.as_ref().map(|path| path.display().to_string()).unwrap_or_default()
        };
        [
            operations,
            self.path.clone(),
            self.first.to_string(),
            self.times.to_string(),
            flag(&self.after),
            flag(&self.until),
            self.action.name().to_owned(),
        ]
        .join("\t")
    }

    pub(crate) fn parse(line: &str) -> anyhow::Result<Self> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [operations, path, first, times, after, until, action] = fields[..] else {
            anyhow::bail!("a rule has seven fields: {line:?}");
        };
        let flag = |text: &str| (!text.is_empty()).then(|| PathBuf::from(text));
        Ok(Self {
            operations: operations
                .bytes()
                .map(|byte| Operation::from_byte(byte).context("no such operation"))
                .collect::<Result<_, _>>()?,
            path: path.to_owned(),
            first: first.parse()?,
            times: times.parse()?,
            after: flag(after),
            until: flag(until),
            action: Action::from_name(action).context("no such action")?,
        })
    }
}
