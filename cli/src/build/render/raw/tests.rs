//! What is printed is what the engine's own clients read.

use base64::prelude::BASE64_STANDARD as STANDARD;
use proptest::{collection::vec, option, prelude::*};
use prost_types::Timestamp;
use serde::Deserialize;

use super::*;

#[test]
fn steps_are_known_by_their_digests() {
    let mut raw = Raw::default();
    let step = |number, inputs: &[u32]| {
        BuildEvent::Step(Step {
            number,
            digest: format!("sha256:{number}"),
            name: "RUN".to_owned(),
            inputs: inputs.to_vec(),
            ..Step::default()
        })
    };
    let mut check = |event: &BuildEvent, expected: &str| {
        assert_eq!(String::from_utf8(raw.event(event)).unwrap(), expected);
    };
    check(&step(1, &[]), "{\"vertexes\":[{\"digest\":\"sha256:1\",\"name\":\"RUN\"}]}\n");
    check(
        &step(2, &[1]),
        "{\"vertexes\":[{\"digest\":\"sha256:2\",\"inputs\":[\"sha256:1\"],\"name\":\"RUN\"}]}\n",
    );
    // Said again, it is no news.
    check(&step(2, &[1]), "");
    let data = "one\n".into();
    let log = StepLog { step: 2, stream: Stream::Stderr, time: None, data };
    check(
        &BuildEvent::Log(log),
        "{\"logs\":[{\"data\":\"b25lCg==\",\"stream\":2,\"vertex\":\"sha256:2\"}]}\n",
    );
}

/// `SolveStatus` as the engine's client has it: nothing else stands in it, and each field has Go's type.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SolveStatus {
    vertexes: Vec<Vertex>,
    statuses: Vec<VertexStatus>,
    logs: Vec<VertexLog>,
    warnings: Vec<VertexWarning>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Vertex {
    digest: String,
    inputs: Vec<String>,
    name: String,
    started: Option<String>,
    completed: Option<String>,
    cached: bool,
    error: String,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VertexStatus {
    id: String,
    vertex: String,
    name: String,
    total: i64,
    current: i64,
    timestamp: Option<String>,
    started: Option<String>,
    completed: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VertexLog {
    vertex: String,
    stream: i64,
    data: Base64,
    timestamp: Option<String>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VertexWarning {
    vertex: String,
    level: i64,
    short: Base64,
    detail: Vec<Base64>,
    url: String,
    #[serde(rename = "sourceInfo")]
    source_info: Option<SourceInfo>,
    range: Vec<Range>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceInfo {
    filename: String,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    line: i32,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(try_from = "String")]
struct Base64(Vec<u8>);

impl TryFrom<String> for Base64 {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        STANDARD.decode(text).map(Self)
    }
}

/// What Go takes for a time, to the second that it is.
fn seconds(time: &str) -> i64 {
    time.parse::<Timestamp>().unwrap().seconds
}

fn check_time(told: Option<&String>, time: Option<Time>) {
    assert_eq!(told.map(|told| seconds(told)), time.map(|time| seconds(&time.to_string())));
}

/// Of any event that a log may have; steps are of four digests.
fn events() -> impl Strategy<Value = BuildEvent> {
    let text = || prop_oneof![Just(String::new()), any::<String>()];
    // Until 2554, where nanoseconds end.
    let time = || {
        let times = (0..18_446_744_073_i64, 0..1_000_000_000);
        option::of(times.prop_map(|(seconds, nanos)| Time::from(Timestamp { seconds, nanos })))
    };
    let step = (1..5_u32, text(), vec(1..5_u32, 0..3), time(), time(), any::<bool>(), text());
    let step = step.prop_map(|(number, name, inputs, started_at, completed_at, cached, error)| {
        let digest = format!("sha256:{number}");
        BuildEvent::Step(Step {
            number,
            digest,
            name,
            inputs,
            started_at,
            completed_at,
            cached,
            error,
        })
    });
    let log = (1..5_u32, any::<bool>(), time(), vec(any::<u8>(), 0..99)).prop_map(
        |(step, out, time, data)| {
            let stream = if out { Stream::Stdout } else { Stream::Stderr };
            BuildEvent::Log(StepLog { step, stream, time, data: data.into() })
        },
    );
    let progress = (1..5_u32, text(), any::<u64>(), any::<u64>(), time(), time()).prop_map(
        |(step, id, current, total, started_at, completed_at)| {
            BuildEvent::Progress(StepProgress {
                step,
                id,
                current,
                total,
                started_at,
                completed_at,
            })
        },
    );
    let warning = (0..5_u32, text(), vec(text(), 0..3), text(), text(), any::<u32>()).prop_map(
        |(step, text, details, url, file, line)| {
            BuildEvent::Warning(BuildWarning { step, text, details, url, file, line })
        },
    );
    prop_oneof![step, log, progress, warning]
}

proptest! {
    #[test]
    fn every_line_is_a_solve_status(events in vec(events(), 0..12)) {
        let mut raw = Raw::default();
        for event in &events {
            let line = String::from_utf8(raw.event(event)).unwrap();
            if line.is_empty() {
                assert!(matches!(event, BuildEvent::Step(_)), "only a step is no news");
                continue;
            }
            assert_eq!(line.find('\n'), Some(line.len() - 1), "one line");
            check(event, &serde_json::from_str(&line).unwrap(), &raw);
        }
    }
}

/// It says what the event does, and nothing else.
fn check(event: &BuildEvent, told: &SolveStatus, raw: &Raw) {
    let SolveStatus { vertexes, statuses, logs, warnings } = told;
    assert_eq!(vertexes.len() + statuses.len() + logs.len() + warnings.len(), 1);
    match event {
        BuildEvent::Step(step) => {
            let vertex = &vertexes[0];
            assert_eq!((&vertex.digest, &vertex.name), (&step.digest, &step.name));
            assert_eq!((vertex.cached, &vertex.error), (step.cached, &step.error));
            let inputs: Vec<_> = step.inputs.iter().map(|input| raw.digest(*input)).collect();
            assert_eq!(vertex.inputs, inputs);
            check_time(vertex.started.as_ref(), step.started_at);
            check_time(vertex.completed.as_ref(), step.completed_at);
        }
        BuildEvent::Log(log) => {
            assert_eq!(logs[0].vertex, raw.digest(log.step));
            assert_eq!(logs[0].data.0, log.data);
            assert_eq!(logs[0].stream == 2, log.stream == Stream::Stderr);
            check_time(logs[0].timestamp.as_ref(), log.time);
        }
        BuildEvent::Progress(progress) => {
            let status = &statuses[0];
            assert_eq!((&status.id, &status.vertex), (&progress.id, &raw.digest(progress.step)));
            assert_eq!(status.current, count(progress.current));
            assert_eq!(status.total, count(progress.total));
            check_time(status.started.as_ref(), progress.started_at);
            check_time(status.completed.as_ref(), progress.completed_at);
        }
        BuildEvent::Warning(warning) => {
            let told = &warnings[0];
            assert_eq!(told.short.0, warning.text.as_bytes());
            let details: Vec<_> = warning.details.iter().map(String::as_bytes).collect();
            assert!(told.detail.iter().map(|detail| &detail.0[..]).eq(details));
            assert_eq!((&told.url, told.level), (&warning.url, 1));
            let file = told.source_info.as_ref().map(|info| &info.filename);
            assert_eq!(file, (warning.line > 0).then_some(&warning.file));
        }
        BuildEvent::Fault(_) | BuildEvent::Gap { .. } => panic!("neither is told"),
    }
}
