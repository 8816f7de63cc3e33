//! One build's client, from its first byte to its end.

use std::collections::HashSet;

use kiln_buildkit::{Done, Failure, Report, Reports, StatusResponse, Vertex, VertexLog};
use kiln_proto::agent::v1::{BuildDone, BuildError, build_event::Event};
use serde::Deserialize;

use super::{
    frames::{self, Frames},
    logs::Logs,
    mask::Secrets,
    parts::Parts,
    steps::Steps,
    time::nanos,
    warnings,
    words::Words,
};

const UNSAID: &str = "the engine's client did not say why it failed";
const KILLED: &str = "the engine's client was killed";

/// Bytes of the client in, frames out: whole ones, one behind the other.
#[derive(Debug)]
pub struct Translator {
    /// `None`: where the next one would begin is not known any more.
    reports: Option<Reports>,
    /// As the client tells it.
    end: Option<Result<Done, Failure>>,
    told: Told,
}

/// Where it all goes.
#[derive(Debug)]
struct Told {
    secrets: Secrets,
    steps: Steps,
    parts: Parts,
    logs: Logs,
    words: Words,
    frames: Frames,
}

/// How the client ended.
#[derive(Debug, Default)]
pub struct End {
    /// `None`: it was killed.
    pub code: Option<i32>,
    /// The disk of an output that had no room left.
    pub full_disk: Option<String>,
    /// What the agent knows of why it failed, and the client may not.
    pub note: Option<String>,
}

impl Translator {
    /// The values are masked in whatever is told.
    pub fn new(secrets: Vec<Vec<u8>>) -> Self {
        let told = Told {
            secrets: Secrets::new(secrets),
            steps: Steps::default(),
            parts: Parts::default(),
            logs: Logs::default(),
            words: Words::default(),
            frames: Frames::default(),
        };
        Self { reports: Some(Reports::default()), end: None, told }
    }

    /// What the client wrote, to stdout (1), where its reports are, or to stderr (2). Whatever comes,
    /// it is taken.
    pub fn feed(&mut self, stream: u32, data: &[u8]) -> Vec<u8> {
        match stream {
            1 => self.report(data),
            _ => self.told.words.push(&self.told.secrets, data),
        }
        self.told.frames.take()
    }

    fn report(&mut self, data: &[u8]) {
        let Some(reports) = &mut self.reports else { return };
        reports.push(data);
        loop {
            match reports.next() {
                Ok(Some(Report::Progress(status))) => self.told.status(status),
                Ok(Some(Report::Done(done))) => self.end = Some(Ok(done)),
                Ok(Some(Report::Failed(failure))) => self.end = Some(Err(failure)),
                Ok(None) => return,
                Err(_) => {
                    self.reports = None;
                    return warnings::lost(&mut self.told.frames);
                }
            }
        }
    }

    /// The client says that all is done.
    pub fn is_done(&self) -> bool {
        matches!(self.end, Some(Ok(_)))
    }

    /// What is still to be told: what was held back, all steps once more, and how it ended.
    pub fn finish(self, end: End) -> Vec<u8> {
        let Self { reports: _, end: said, mut told } = self;
        told.logs.end_all(&told.secrets, &mut told.frames);
        told.steps.tell_all(&mut told.frames);
        let mut frames = std::mem::take(&mut told.frames);
        frames.add(match (end.code, said) {
            (Some(0), Some(Ok(done))) => Event::Done(told.done(&done)),
            (_, Some(Err(failure))) => Event::Error(told.error(end, Some(failure))),
            (_, _) => Event::Error(told.error(end, None)),
        });
        frames.take()
    }
}

impl Told {
    fn done(&self, Done { metadata }: &Done) -> BuildDone {
        let metadata = self.secrets.text(metadata);
        let digest = image_digest(&metadata).unwrap_or_default();
        BuildDone { digest: frames::name(digest), metadata: frames::metadata(metadata) }
    }

    fn error(self, end: End, failure: Option<Failure>) -> BuildError {
        let Self { secrets, steps, words, .. } = self;
        let Failure { message, vertex, place } = failure.unwrap_or_default();
        let message =
            if message.is_empty() { words.last(&secrets) } else { secrets.text(&message) };
        let step = steps.failed(&vertex, &message);
        let note = end.note.map(|note| secrets.text(&note));
        let message = match (note, message) {
            (Some(note), said) if said.is_empty() => note,
            (Some(note), said) => format!("{note}: {said}"),
            (None, said) if !said.is_empty() => said,
            (None, _) if end.code.is_none() => KILLED.to_owned(),
            (None, _) => UNSAID.to_owned(),
        };
        let place = place.unwrap_or_default();
        BuildError {
            message: frames::text(message),
            step,
            file: frames::name(secrets.text(&place.file)),
            first_line: place.first_line,
            last_line: place.last_line.max(place.first_line),
            excerpt: frames::text(secrets.text(&place.excerpt)),
            full_disk: frames::name(end.full_disk.unwrap_or_default()),
        }
    }

    fn status(&mut self, status: StatusResponse) {
        let StatusResponse { vertexes, statuses, logs, warnings } = status;
        let logged: HashSet<&str> = logs.iter().map(|log| log.vertex.as_str()).collect();
        let has_log =
            |vertex: &Vertex| vertex.completed.is_some() && logged.contains(vertex.digest.as_str());
        // All are numbered first: they are each other's inputs.
        for vertex in &vertexes {
            self.steps.number(&vertex.digest);
        }
        for vertex in &vertexes {
            if has_log(vertex) {
                self.steps.update(&open(vertex), &self.secrets, &mut self.frames);
            } else {
                self.vertex(vertex);
            }
        }
        for part in statuses {
            if let Some(step) = self.steps.number(&part.vertex) {
                self.parts.update(step, &part, &self.secrets, &mut self.frames);
            }
        }
        for warning in warnings {
            let step = self.steps.number(&warning.vertex).unwrap_or(0);
            warnings::tell(step, warning, &self.secrets, &mut self.frames);
        }
        for log in &logs {
            self.log(log);
        }
        // What a step wrote comes before its end.
        for vertex in vertexes.iter().filter(|vertex| has_log(vertex)) {
            self.vertex(vertex);
        }
    }

    fn vertex(&mut self, vertex: &Vertex) {
        if vertex.completed.is_some()
            && let Some(step) = self.steps.number(&vertex.digest)
        {
            self.logs.end(step, &self.secrets, &mut self.frames);
        }
        self.steps.update(vertex, &self.secrets, &mut self.frames);
    }

    fn log(&mut self, log: &VertexLog) {
        let Some(step) = self.steps.number(&log.vertex) else { return };
        let stream = if log.stream == 2 { 2 } else { 1 };
        let time = nanos(log.timestamp);
        self.logs.push((step, stream), time, &log.msg, &self.secrets, &mut self.frames);
    }
}

/// Of what was exported.
fn image_digest(metadata: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "containerimage.digest")]
        digest: String,
    }
    serde_json::from_str::<Metadata>(metadata).ok().map(|metadata| metadata.digest)
}

/// As it was before it ended.
fn open(vertex: &Vertex) -> Vertex {
    Vertex { completed: None, error: String::new(), ..vertex.clone() }
}
