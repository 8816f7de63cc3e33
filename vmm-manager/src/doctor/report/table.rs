//! For people.

use std::fmt::Write as _;

use super::{Area, Check, Driver, Guest, Report, why};
use crate::vmm::ProbeVerdict;

/// As wide as the widest word of its column.
const WORD: usize = 16;
const NAME: usize = 34;

pub(in crate::doctor) fn table(report: &Report) -> String {
    let mut table = Table::default();
    table.title("guests");
    for guest in &report.guests {
        self::guest(&mut table, guest);
    }
    for area in Area::ALL {
        let mut checks = report.checks.iter().filter(|check| check.area == area).peekable();
        if checks.peek().is_some() {
            table.title(area.name());
        }
        for Check { name, finding, found, mend, .. } in checks {
            table.line(finding.name(), name, found, mend.as_deref());
        }
    }
    table.end(report);
    table.0
}

fn guest(table: &mut Table, guest: &Guest) {
    let version = guest.version().map(|version| format!(" {version}")).unwrap_or_default();
    let pair = guest.pair;
    let name = format!("{}{version} under {}", pair.vmm(), pair.accelerator().name());
    let kept = guest.trial.as_ref().is_ok_and(|tried| tried.kept);
    let kept = if kept { " (found out earlier)" } else { "" };
    let found = match &guest.trial {
        Ok(tried) => match &tried.verdict {
            works @ ProbeVerdict::Works { .. } => works.to_string(),
            ProbeVerdict::NullGuestsOnly { reason } => reason.clone(),
            ProbeVerdict::No(hindrance) => hindrance.reason().to_owned(),
        },
        Err(not_tried) => not_tried.reason.clone(),
    };
    let word = guest.word().replace('_', " ");
    table.line(&word, &name, &format!("{found}{kept}"), guest.mend());
}

#[derive(Debug, Default)]
struct Table(String);

impl Table {
    fn title(&mut self, area: &str) {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        // Writing to a string cannot fail.
        let _ = writeln!(self.0, "{gap}{area}");
    }

    fn line(&mut self, word: &str, name: &str, found: &str, mend: Option<&str>) {
        let _ = writeln!(self.0, "  {word:<WORD$}  {name:<NAME$}  {}", printable(found));
        if let Some(mend) = mend {
            let _ = writeln!(self.0, "  {:<WORD$}  {:<NAME$}  → {}", "", "", printable(mend));
        }
    }

    fn end(&mut self, report: &Report) {
        self.0.push('\n');
        match &report.driver {
            Driver::Picked(choice) => {
                let _ = writeln!(
                    self.0,
                    "With these flags kilnd runs jobs with {}: {}.",
                    choice.pair,
                    why(choice)
                );
            }
            Driver::Refused { reason } => {
                let reason = printable(reason);
                let _ = writeln!(self.0, "With these flags kilnd would not start: {reason}.");
            }
        }
        let missing: Vec<_> = report.missing().map(|check| check.name).collect();
        let _ = match (report.is_ready(), missing.as_slice()) {
            (true, _) => writeln!(self.0, "A job could run here."),
            (false, []) => writeln!(self.0, "No job could run here."),
            (false, missing) => {
                writeln!(self.0, "No job could run here. Missing: {}.", missing.join(", "))
            }
        };
    }
}

/// Words of other programs, on one line and without their control characters.
fn printable(text: &str) -> String {
    let shown = |character: char| if character.is_control() { ' ' } else { character };
    text.trim().chars().map(shown).collect()
}
