//! What was found, and whether a job could run.

mod json;
mod table;

use crate::{
    daemon::choose::{Choice, PassedOver, Tried, Why, mend},
    vmm::{Pair, ProbeVerdict},
};

pub(super) use self::{json::json, table::table};

/// Everything that the doctor has to say.
#[derive(Debug)]
pub(super) struct Report {
    /// One for each candidate, the best first.
    pub(super) guests: Vec<Guest>,
    pub(super) driver: Driver,
    /// In the order of their areas.
    pub(super) checks: Vec<Check>,
}

/// Whether one candidate runs guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guest {
    pub(super) pair: Pair,
    pub(super) trial: Result<Tried, NotTried>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NotTried {
    pub(super) reason: String,
}

/// What kilnd would run jobs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Picked(Choice),
    /// It would refuse to start.
    Refused {
        reason: String,
    },
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) area: Area,
    pub(super) name: &'static str,
    pub(super) finding: Finding,
    pub(super) found: String,
    pub(super) mend: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Area {
    Kilnd,
    Processor,
    Isolation,
    Memory,
    Storage,
    Network,
    Time,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Finding {
    Ok,
    /// Good to know; jobs run as well without it.
    Note,
    /// Jobs run, with less protection or less speed.
    Warning,
    /// No job can run.
    Missing,
}

impl Check {
    pub(super) fn ok(area: Area, name: &'static str, found: impl Into<String>) -> Self {
        Self { area, name, finding: Finding::Ok, found: found.into(), mend: None }
    }

    pub(super) fn note(area: Area, name: &'static str, found: impl Into<String>) -> Self {
        Self { finding: Finding::Note, ..Self::ok(area, name, found) }
    }

    pub(super) fn warning(area: Area, name: &'static str, found: impl Into<String>) -> Self {
        Self { finding: Finding::Warning, ..Self::ok(area, name, found) }
    }

    pub(super) fn missing(area: Area, name: &'static str, found: impl Into<String>) -> Self {
        Self { finding: Finding::Missing, ..Self::ok(area, name, found) }
    }

    /// What the operator can do about it.
    pub(super) fn mend(self, mend: impl Into<String>) -> Self {
        Self { mend: Some(mend.into()), ..self }
    }
}

impl Report {
    /// Whether a job could run here as configured.
    pub(super) fn is_ready(&self) -> bool {
        let picked = match &self.driver {
            Driver::Picked(choice) => self.guest(choice.pair).is_some_and(Guest::works),
            Driver::Refused { .. } => false,
        };
        picked && self.missing().next().is_none()
    }

    pub(super) fn missing(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.finding == Finding::Missing)
    }

    pub(super) fn guest(&self, pair: Pair) -> Option<&Guest> {
        self.guests.iter().find(|guest| guest.pair == pair)
    }
}

impl Guest {
    fn works(&self) -> bool {
        self.trial.as_ref().is_ok_and(|tried| tried.verdict.works())
    }

    pub(super) fn version(&self) -> Option<&str> {
        self.trial.as_ref().ok()?.version.as_deref()
    }

    /// One word for it; see docs/cli.md.
    fn word(&self) -> &'static str {
        match &self.trial {
            Err(_) => "not_tried",
            Ok(tried) => match tried.verdict {
                ProbeVerdict::Works { .. } => "works",
                ProbeVerdict::NullGuestsOnly { .. } => "null_guests_only",
                ProbeVerdict::No(_) => "no",
            },
        }
    }

    /// Why it does not work.
    fn reason(&self) -> Option<&str> {
        match &self.trial {
            Err(NotTried { reason }) => Some(reason),
            Ok(tried) => match &tried.verdict {
                ProbeVerdict::Works { .. } => None,
                ProbeVerdict::NullGuestsOnly { reason } => Some(reason),
                ProbeVerdict::No(hindrance) => Some(hindrance.reason()),
            },
        }
    }

    fn mend(&self) -> Option<&'static str> {
        let verdict = self.trial.as_ref().ok()?.verdict.clone();
        mend(self.pair, &Why::Verdict(verdict))
    }
}

/// Why the driver is what it is, in a few words.
fn why(choice: &Choice) -> String {
    let passed = choice.passed_over.iter().map(|PassedOver { pair, why }| {
        let why = match why {
            Why::Verdict(ProbeVerdict::NullGuestsOnly { .. }) => "runs null guests only",
            Why::Verdict(_) => "runs no guests here",
            Why::EmulationNotAllowed => "is not allowed",
        };
        format!("{pair} {why}")
    });
    let passed: Vec<_> = passed.collect();
    if passed.is_empty() { "it is the first choice".to_owned() } else { passed.join(", ") }
}

impl Area {
    pub(super) const ALL: [Self; 7] = [
        Self::Kilnd,
        Self::Processor,
        Self::Isolation,
        Self::Memory,
        Self::Storage,
        Self::Network,
        Self::Time,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kilnd => "kilnd",
            Self::Processor => "processor",
            Self::Isolation => "isolation",
            Self::Memory => "memory",
            Self::Storage => "storage",
            Self::Network => "network",
            Self::Time => "time",
        }
    }
}

impl Finding {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Missing => "missing",
        }
    }
}

#[cfg(test)]
mod tests;
