//! What a machine is to boot, and what became of that.

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{DocumentError, outcome::Exit, time::duration_nanos};
use crate::job::{Boot, BootCheck, BootRecord, BootSource, Probe, Up, UpBy, rootfs::Skipped};

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BootDocument {
    source: Source,
    init: String,
    arguments: Vec<String>,
    probe: Option<ProbeDocument>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Source {
    Upload(String),
    Artifact { job: String, artifact: String },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CheckDocument {
    probe: Option<ProbeDocument>,
    timeout_nanos: u64,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum ProbeDocument {
    Command(Vec<String>),
    Port(u16),
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Booted {
    init: String,
    skipped: Option<String>,
    up: Option<UpDocument>,
    exit: Option<Exit>,
    console_tail: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct UpDocument {
    degraded: bool,
    by: String,
    after_nanos: Option<u64>,
}

/// A text that stands for something, or is none.
pub(super) fn word<T>(
    field: &'static str,
    text: String,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, DocumentError> {
    read(&text).ok_or(DocumentError::Field { field, value: text })
}

impl From<&Boot> for BootDocument {
    fn from(boot: &Boot) -> Self {
        let Boot { source, init, arguments, probe } = boot;
        let source = match source {
            BootSource::Upload(source) => Source::Upload(source.to_string()),
            BootSource::Artifact { job, artifact } => {
                Source::Artifact { job: job.to_string(), artifact: artifact.clone() }
            }
        };
        let probe = probe.as_ref().map(ProbeDocument::from);
        Self { source, init: init.clone(), arguments: arguments.clone(), probe }
    }
}

impl TryFrom<BootDocument> for Boot {
    type Error = DocumentError;

    fn try_from(document: BootDocument) -> Result<Self, DocumentError> {
        let BootDocument { source, init, arguments, probe } = document;
        let source = match source {
            Source::Upload(id) => BootSource::Upload(word("source", id, |id| id.parse().ok())?),
            Source::Artifact { job, artifact } => {
                BootSource::Artifact { job: word("job", job, |id| id.parse().ok())?, artifact }
            }
        };
        Ok(Self { source, init, arguments, probe: probe.map(Probe::from) })
    }
}

impl From<&BootCheck> for CheckDocument {
    fn from(check: &BootCheck) -> Self {
        let BootCheck { probe, timeout } = check;
        let probe = probe.as_ref().map(ProbeDocument::from);
        Self { probe, timeout_nanos: duration_nanos(*timeout) }
    }
}

impl TryFrom<CheckDocument> for BootCheck {
    type Error = DocumentError;

    fn try_from(document: CheckDocument) -> Result<Self, DocumentError> {
        let CheckDocument { probe, timeout_nanos } = document;
        Ok(Self { probe: probe.map(Probe::from), timeout: Duration::from_nanos(timeout_nanos) })
    }
}

impl From<&Probe> for ProbeDocument {
    fn from(probe: &Probe) -> Self {
        match probe {
            Probe::Command(argv) => Self::Command(argv.clone()),
            Probe::Port(port) => Self::Port(*port),
        }
    }
}

impl From<ProbeDocument> for Probe {
    fn from(probe: ProbeDocument) -> Self {
        match probe {
            ProbeDocument::Command(argv) => Self::Command(argv),
            ProbeDocument::Port(port) => Self::Port(port),
        }
    }
}

impl From<&BootRecord> for Booted {
    fn from(record: &BootRecord) -> Self {
        let BootRecord { init, skipped, up, exit, console_tail } = record;
        Self {
            init: init.clone(),
            skipped: skipped.map(|why| why.name().to_owned()),
            up: up.map(|Up { degraded, by, after }| UpDocument {
                degraded,
                by: by.name().to_owned(),
                after_nanos: after.map(duration_nanos),
            }),
            exit: exit.map(Exit::from),
            console_tail: console_tail.clone(),
        }
    }
}

impl TryFrom<Booted> for Arc<BootRecord> {
    type Error = DocumentError;

    fn try_from(document: Booted) -> Result<Self, DocumentError> {
        let Booted { init, skipped, up, exit, console_tail } = document;
        let up_of = |UpDocument { degraded, by, after_nanos }| {
            let by = word("by", by, UpBy::named)?;
            Ok::<_, DocumentError>(Up {
                degraded,
                by,
                after: after_nanos.map(Duration::from_nanos),
            })
        };
        Ok(Self::new(BootRecord {
            init,
            skipped: skipped.map(|why| word("skipped", why, Skipped::named)).transpose()?,
            up: up.map(up_of).transpose()?,
            exit: exit.map(Into::into),
            console_tail,
        }))
    }
}
