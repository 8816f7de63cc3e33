//! One line for programs, as docs/cli.md describes it.

use serde::Serialize;

use super::{Check, Driver, Guest, Report, why};
use crate::{daemon::choose::PassedOver, daemon::choose::mend, vmm::ProbeVerdict};

/// Counts up when a field is taken away or comes to mean something else.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    version: &'static str,
    ready: bool,
    driver: Option<Picked<'a>>,
    refusal: Option<&'a str>,
    guests: Vec<Trial<'a>>,
    checks: Vec<Looked<'a>>,
}

#[derive(Debug, Serialize)]
struct Picked<'a> {
    vmm: &'static str,
    version: Option<&'a str>,
    accelerator: &'static str,
    why: String,
    passed_over: Vec<Passed>,
}

#[derive(Debug, Serialize)]
struct Passed {
    vmm: &'static str,
    accelerator: &'static str,
    reason: String,
    mend: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Trial<'a> {
    vmm: &'static str,
    version: Option<&'a str>,
    accelerator: &'static str,
    verdict: &'static str,
    after_seconds: Option<f64>,
    reason: Option<&'a str>,
    mend: Option<&'static str>,
    kept: bool,
}

#[derive(Debug, Serialize)]
struct Looked<'a> {
    area: &'static str,
    name: &'static str,
    finding: &'static str,
    found: &'a str,
    mend: Option<&'a str>,
}

pub(in crate::doctor) fn json(report: &Report) -> serde_json::Result<String> {
    let (driver, refusal) = match &report.driver {
        Driver::Refused { reason } => (None, Some(reason.as_str())),
        Driver::Picked(choice) => {
            let pair = choice.pair;
            let picked = Picked {
                vmm: pair.vmm(),
                version: report.guest(pair).and_then(Guest::version),
                accelerator: pair.accelerator().name(),
                why: why(choice),
                passed_over: choice.passed_over.iter().map(Passed::from).collect(),
            };
            (Some(picked), None)
        }
    };
    serde_json::to_string(&Document {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION"),
        ready: report.is_ready(),
        driver,
        refusal,
        guests: report.guests.iter().map(Trial::from).collect(),
        checks: report.checks.iter().map(Looked::from).collect(),
    })
}

impl From<&PassedOver> for Passed {
    fn from(PassedOver { pair, why }: &PassedOver) -> Self {
        Self {
            vmm: pair.vmm(),
            accelerator: pair.accelerator().name(),
            reason: why.to_string(),
            mend: mend(*pair, why),
        }
    }
}

impl<'a> From<&'a Guest> for Trial<'a> {
    fn from(guest: &'a Guest) -> Self {
        let after = match &guest.trial {
            Ok(tried) => match tried.verdict {
                ProbeVerdict::Works { after } => Some(after.as_secs_f64()),
                ProbeVerdict::NullGuestsOnly { .. } | ProbeVerdict::No(_) => None,
            },
            Err(_) => None,
        };
        Self {
            vmm: guest.pair.vmm(),
            version: guest.version(),
            accelerator: guest.pair.accelerator().name(),
            verdict: guest.word(),
            after_seconds: after,
            reason: guest.reason(),
            mend: guest.mend(),
            kept: guest.trial.as_ref().is_ok_and(|tried| tried.kept),
        }
    }
}

impl<'a> From<&'a Check> for Looked<'a> {
    fn from(Check { area, name, finding, found, mend }: &'a Check) -> Self {
        Self { area: area.name(), name, finding: finding.name(), found, mend: mend.as_deref() }
    }
}
