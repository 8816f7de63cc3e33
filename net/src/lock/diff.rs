//! What one lockfile has that another has not.

use std::{collections::BTreeMap, fmt};

use super::{Destination, Line, Lock};
use crate::{
    name::Name,
    policy::{Protocol, Rule},
};

/// What a job was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    Rule(Rule),
    /// It was asked for and not answered, so nobody knows for which port.
    Name(Name),
}

/// Lines in the file's order, each with `+` or `-`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// `true` for what is new.
    lines: BTreeMap<(Line, bool), String>,
}

impl Diff {
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn added(&self) -> usize {
        self.lines.keys().filter(|(_, is_new)| *is_new).count()
    }

    pub fn removed(&self) -> usize {
        self.lines.len() - self.added()
    }

    fn insert(&mut self, line: Line, is_new: bool) {
        let text = match &line {
            (name, 0, _) => name.clone(),
            (pattern, port, protocol) => format!("{pattern}:{port}/{protocol}"),
        };
        self.lines.insert((line, is_new), text);
    }
}

impl Lock {
    /// From this one to `newer`.
    pub fn diff(&self, newer: &Self) -> Diff {
        let mut diff = Diff::default();
        for line in self.rules.keys().filter(|line| !newer.rules.contains_key(*line)) {
            diff.insert(line.clone(), false);
        }
        for line in newer.rules.keys().filter(|line| !self.rules.contains_key(*line)) {
            diff.insert(line.clone(), true);
        }
        diff
    }

    /// From this one, under which a job ran, to what the job would have needed: what was refused is
    /// new, and what it used none of is gone.
    pub fn diff_to_run(&self, reached: &[Destination], needed: &[Needed]) -> Diff {
        let mut diff = Diff::default();
        for (line, rule) in &self.rules {
            if !reached.iter().any(|destination| uses(rule, destination)) {
                diff.insert(line.clone(), false);
            }
        }
        for needed in needed {
            match needed {
                Needed::Rule(rule) if self.rules.values().any(|own| own.covers(rule)) => {}
                Needed::Rule(rule) => diff.insert(super::line(rule), true),
                // A port that does not exist stands for one that is not known.
                Needed::Name(name) => diff.insert((name.to_string(), 0, Protocol::Tls), true),
            }
        }
        diff
    }
}

/// What has no name may have been any that shares its address.
fn uses(rule: &Rule, destination: &Destination) -> bool {
    let Destination { name, port, transport, .. } = destination;
    let named = name.as_ref().is_none_or(|name| rule.pattern.matches(name));
    named && rule.port == *port && rule.protocol.transport() == *transport
}

impl fmt::Display for Diff {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, ((_, is_new), text)) in self.lines.iter().enumerate() {
            let line_break = if at == 0 { "" } else { "\n" };
            write!(formatter, "{line_break}{}{text}", if *is_new { '+' } else { '-' })?;
        }
        Ok(())
    }
}
