//! What really runs, compared with what was asked. A QEMU that was misunderstood is not booted.
//!
//! Nearly all of it QEMU is asked for, after it has made the machine of its command line: a field
//! that was dropped, or whose meaning changed with a release, shows there. Whether it shut itself
//! in, and what it was started with, the kernel tells.
//!
//! A thing that must hold is a [`Check`]: a question, what of the answer counts as one text, and
//! the text that is expected. So a list of devices is right only as a whole: one too many is as
//! wrong as one too few.

mod devices;
mod disks;
mod network;
mod process;
mod properties;

use std::{path::Path, time::Duration};

use serde_json::Value;

use super::{
    Accelerator,
    firmware::Firmware,
    monitor::{Monitor, MonitorError, Question},
    network::NetworkDevice,
};
use crate::vmm::{VmSpec, VmmError};
pub(super) use process::Processes;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) spec: &'a VmSpec,
    pub(super) accelerator: Accelerator,
    pub(super) firmware: &'a Firmware,
    pub(super) network: &'a NetworkDevice,
}

#[derive(Debug)]
struct Check {
    /// As the error names it.
    field: &'static str,
    question: Question,
    read: fn(&Value) -> String,
    expected: String,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum ReadBackError {
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    #[error(transparent)]
    Differs(#[from] VmmError),
}

/// Asks everything at once, so the answers come as soon as QEMU can give any.
pub(super) async fn read_back(
    monitor: &Monitor,
    asked: Asked<'_>,
    limit: Duration,
) -> Result<(), ReadBackError> {
    let checks = checks(asked);
    let questions = checks.iter().map(|check| check.question.clone()).collect();
    let answers = monitor.ask_all(questions, limit).await?;
    compare(&checks, &answers)?;
    let processors = properties::processors(asked, answers.get(PROCESSORS).unwrap_or(&Value::Null));
    let questions = processors.iter().map(|check| check.question.clone()).collect();
    let answers = monitor.ask_all(questions, limit).await?;
    Ok(compare(&processors, &answers)?)
}

/// Where among the answers the processors are.
const PROCESSORS: usize = 0;

fn checks(asked: Asked<'_>) -> Vec<Check> {
    let Asked { spec, accelerator, .. } = asked;
    let mut checks = vec![
        Check {
            field: "cpus",
            question: Question::new("query-cpus-fast"),
            read: |cpus| cpus.as_array().map_or_else(nothing, |cpus| cpus.len().to_string()),
            expected: spec.cpus.to_string(),
        },
        Check {
            field: "status",
            question: Question::new("query-status"),
            read: |status| text(&status["status"]),
            expected: "prelaunch".to_owned(),
        },
        Check {
            field: "accelerator",
            question: Question::new("query-kvm"),
            read: |kvm| match kvm["enabled"].as_bool() {
                Some(true) => Accelerator::Kvm.name().to_owned(),
                Some(false) => Accelerator::Tcg.name().to_owned(),
                None => nothing(),
            },
            expected: accelerator.name().to_owned(),
        },
        Check {
            field: "memory",
            question: Question::new("query-memory-size-summary"),
            read: |memory| {
                format!("{} + {}", text(&memory["base-memory"]), text(&memory["plugged-memory"]))
            },
            expected: format!("{} + 0", spec.memory_bytes),
        },
    ];
    checks.extend(properties::machine(asked));
    checks.extend(devices::checks(spec));
    checks.extend(disks::checks(spec));
    checks.extend(network::checks(asked));
    checks
}

fn compare(checks: &[Check], answers: &[Value]) -> Result<(), VmmError> {
    for (index, Check { field, read, expected, .. }) in checks.iter().enumerate() {
        let actual = read(answers.get(index).unwrap_or(&Value::Null));
        same(field, expected, actual)?;
    }
    Ok(())
}

fn same(field: &str, asked: &str, actual: String) -> Result<(), VmmError> {
    if asked == actual {
        return Ok(());
    }
    Err(VmmError::ReadBack { field: field.to_owned(), asked: asked.to_owned(), actual })
}

/// A value as it is written in a command line.
fn text(value: &Value) -> String {
    match value {
        Value::Null => nothing(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        other => other.to_string(),
    }
}

fn nothing() -> String {
    "nothing".to_owned()
}

/// One text of what stands in a list, in whatever order.
fn listed(entries: impl IntoIterator<Item = String>) -> String {
    let mut entries: Vec<String> = entries.into_iter().collect();
    entries.sort();
    if entries.is_empty() { "none".to_owned() } else { entries.join(", ") }
}

/// [`listed`], of what `read` makes of each element.
fn each(list: &Value, read: impl Fn(&Value) -> String) -> String {
    list.as_array().map_or_else(nothing, |elements| listed(elements.iter().map(read)))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
