//! From what the client said in real builds, and in ones that never were, to events.

mod fuzz;
mod limits;
mod masked;
mod said;

use kiln_buildkit::{Done, Failure, Report, StatusResponse, Vertex, VertexLog};
use kiln_proto::agent::{
    MAX_BUILD_EVENT_BYTES, event,
    v1::{BuildError, BuildStep, build_event::Event},
};

use super::{End, Translator};

/// The same numbers for the same seed.
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(usize::MAX) % bound.max(1)
    }

    /// Of three.
    pub(super) fn letter(&mut self) -> u8 {
        b"abc"[self.below(3)]
    }
}

/// As the client writes them.
pub(in crate::build) fn said(reports: impl IntoIterator<Item = Report>) -> Vec<u8> {
    let mut said = Vec::new();
    for report in reports {
        report.write(&mut said).unwrap();
    }
    said
}

pub(in crate::build) fn vertex(digest: &str, name: &str) -> Vertex {
    Vertex { digest: format!("sha256:{digest}"), name: name.to_owned(), ..Vertex::default() }
}

pub(in crate::build) fn vertexes(vertexes: impl IntoIterator<Item = Vertex>) -> Report {
    let vertexes = vertexes.into_iter().collect();
    Report::Progress(StatusResponse { vertexes, ..StatusResponse::default() })
}

fn log(vertex: &str, stream: i64, data: &[u8]) -> Report {
    let vertex = format!("sha256:{vertex}");
    let log = VertexLog { vertex, stream, msg: data.to_vec(), timestamp: None };
    Report::Progress(StatusResponse { logs: vec![log], ..StatusResponse::default() })
}

pub(in crate::build) fn failure(message: &str) -> Report {
    Report::Failed(Failure { message: message.to_owned(), ..Failure::default() })
}

pub(in crate::build) fn success(metadata: &str) -> Report {
    Report::Done(Done { metadata: metadata.to_owned() })
}

fn failed() -> End {
    End { code: Some(1), ..End::default() }
}

fn done() -> End {
    End { code: Some(0), ..End::default() }
}

/// All events, of what was said in pieces of `size`.
fn events(said: &[u8], size: usize, secrets: &[&str], end: End) -> Vec<Event> {
    let secrets = secrets.iter().map(|value| value.as_bytes().to_vec()).collect();
    let mut translator = Translator::new(secrets);
    let mut events = Vec::new();
    for piece in said.chunks(size.max(1)) {
        events.extend(decoded(&translator.feed(1, piece)));
    }
    events.extend(decoded(&translator.finish(end)));
    events
}

/// What frames hold, whole and within the bound.
pub(in crate::build) fn decoded(mut frames: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !frames.is_empty() {
        let bytes = frames.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let length = frames[..bytes]
            .iter()
            .rev()
            .fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f));
        assert!(length <= MAX_BUILD_EVENT_BYTES, "an event of {length} bytes");
        let event = event::decode(&frames[bytes..bytes + length]).unwrap();
        events.push(event.event.unwrap());
        frames = &frames[bytes + length..];
    }
    events
}

/// As they were told last.
fn steps(events: &[Event]) -> Vec<BuildStep> {
    let mut steps = std::collections::BTreeMap::new();
    for event in events {
        if let Event::Step(step) = event {
            steps.insert(step.number, step.clone());
        }
    }
    steps.into_values().collect()
}

/// What a step wrote to a stream.
fn written(events: &[Event], step: u32, stream: u32) -> Vec<u8> {
    let logs = events.iter().filter_map(|event| match event {
        Event::Log(log) if (log.step, log.stream) == (step, stream) => Some(&log.data[..]),
        _ => None,
    });
    logs.collect::<Vec<_>>().concat()
}

fn fault(events: &[Event]) -> &BuildError {
    match events.last() {
        Some(Event::Error(error)) => error,
        other => panic!("{other:?} is no error"),
    }
}
