//! `--progress rawjson`: an object of the engine's `SolveStatus` per line.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher, RandomState},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use crate::{
    output::Stream,
    record::{BuildEvent, BuildWarning, Step, StepLog, StepProgress, Time},
};

#[derive(Debug, Default)]
pub(in crate::build) struct Raw {
    /// By number: consumers know steps by them.
    digests: BTreeMap<u32, String>,
    /// What was last told of each.
    told: BTreeMap<u32, u64>,
    hasher: RandomState,
}

impl Raw {
    pub(super) fn event(&mut self, event: &BuildEvent) -> Vec<u8> {
        let (kind, value) = match event {
            BuildEvent::Step(step) => {
                let told = self.hasher.hash_one(step);
                if self.told.insert(step.number, told) == Some(told) {
                    return Vec::new();
                }
                self.digests.insert(step.number, step.digest.clone());
                ("vertexes", self.vertex(step))
            }
            BuildEvent::Log(log) => ("logs", self.log(log)),
            BuildEvent::Progress(progress) => ("statuses", self.status(progress)),
            BuildEvent::Warning(warning) => ("warnings", self.warning(warning)),
            // Told at the end; SolveStatus has neither.
            BuildEvent::Fault(_) | BuildEvent::Gap { .. } => return Vec::new(),
        };
        let mut line = json!({ kind: [value] }).to_string().into_bytes();
        line.push(b'\n');
        line
    }

    fn digest(&self, step: u32) -> String {
        self.digests.get(&step).cloned().unwrap_or_default()
    }

    fn vertex(&self, step: &Step) -> Value {
        let mut vertex = Map::new();
        vertex.insert("digest".to_owned(), json!(step.digest));
        if !step.inputs.is_empty() {
            let inputs: Vec<_> = step.inputs.iter().map(|input| self.digest(*input)).collect();
            vertex.insert("inputs".to_owned(), json!(inputs));
        }
        vertex.insert("name".to_owned(), json!(step.name));
        time(&mut vertex, "started", step.started_at);
        time(&mut vertex, "completed", step.completed_at);
        if step.cached {
            vertex.insert("cached".to_owned(), json!(true));
        }
        if !step.error.is_empty() {
            vertex.insert("error".to_owned(), json!(step.error));
        }
        vertex.into()
    }

    fn log(&self, log: &StepLog) -> Value {
        let mut value = Map::new();
        value.insert("vertex".to_owned(), json!(self.digest(log.step)));
        let stream = match log.stream {
            Stream::Stdout => 1,
            Stream::Stderr => 2,
        };
        value.insert("stream".to_owned(), json!(stream));
        value.insert("data".to_owned(), json!(BASE64_STANDARD.encode(&log.data)));
        time(&mut value, "timestamp", log.time);
        value.into()
    }

    fn status(&self, progress: &StepProgress) -> Value {
        let mut value = Map::new();
        value.insert("id".to_owned(), json!(progress.id));
        value.insert("vertex".to_owned(), json!(self.digest(progress.step)));
        value.insert("current".to_owned(), json!(count(progress.current)));
        if progress.total != 0 {
            value.insert("total".to_owned(), json!(count(progress.total)));
        }
        time(&mut value, "timestamp", progress.completed_at.or(progress.started_at));
        time(&mut value, "started", progress.started_at);
        time(&mut value, "completed", progress.completed_at);
        value.into()
    }

    fn warning(&self, warning: &BuildWarning) -> Value {
        let mut value = Map::new();
        value.insert("vertex".to_owned(), json!(self.digest(warning.step)));
        value.insert("level".to_owned(), json!(1));
        value.insert("short".to_owned(), json!(BASE64_STANDARD.encode(&warning.text)));
        let details: Vec<_> =
            warning.details.iter().map(|line| BASE64_STANDARD.encode(line)).collect();
        value.insert("detail".to_owned(), json!(details));
        if !warning.url.is_empty() {
            value.insert("url".to_owned(), json!(warning.url));
        }
        if warning.line != 0 {
            let line = i32::try_from(warning.line).unwrap_or(i32::MAX);
            let place = json!({ "line": line });
            value.insert("range".to_owned(), json!([{ "start": place, "end": place }]));
            value.insert("sourceInfo".to_owned(), json!({ "filename": warning.file }));
        }
        value.into()
    }
}

/// No larger one is a number to whoever reads it.
fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn time(value: &mut Map<String, Value>, name: &str, time: Option<Time>) {
    if let Some(time) = time {
        value.insert(name.to_owned(), json!(time));
    }
}

#[cfg(test)]
mod tests;
