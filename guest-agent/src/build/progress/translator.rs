//! One build's client, from its first byte to its end.

use kiln_proto::agent::v1::{BuildDone, BuildError, build_event::Event};

use super::{
    frames::{self, Frames},
    logs::Logs,
    mask::Secrets,
    objects::{Objects, Piece},
    parts::Parts,
    status::{self, Status, Vertex, nanos},
    steps::Steps,
    warnings::Warnings,
    words::Words,
};

const UNSAID: &str = "the engine's client did not say why it failed";
const KILLED: &str = "the engine's client was killed";

/// Bytes of the client in, frames out: whole ones, one behind the other.
#[derive(Debug)]
pub struct Translator {
    objects: Objects,
    told: Told,
}

/// Where the pieces go.
#[derive(Debug)]
struct Told {
    secrets: Secrets,
    steps: Steps,
    parts: Parts,
    logs: Logs,
    warnings: Warnings,
    words: Words,
    /// What stands on its stdout: nothing, as a rule.
    aside: Words,
    frames: Frames,
}

/// How the client ended.
#[derive(Debug, Default)]
pub struct End {
    /// `None`: it was killed.
    pub code: Option<i32>,
    /// What it wrote to its metadata file.
    pub metadata: Option<Vec<u8>>,
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
            warnings: Warnings::default(),
            words: Words::default(),
            aside: Words::default(),
            frames: Frames::default(),
        };
        Self { objects: Objects::default(), told }
    }

    /// What the client wrote, to stdout (1) or to stderr (2), where its progress is. Whatever comes,
    /// it is taken.
    pub fn feed(&mut self, stream: u32, data: &[u8]) -> Vec<u8> {
        let Self { objects, told } = self;
        match stream {
            2 => objects.push(data, |piece| told.piece(piece)),
            _ => told.aside.push(&told.secrets, data),
        }
        told.frames.take()
    }

    /// What is still to be told: what was held back, all steps once more, and how it ended.
    pub fn finish(self, end: End) -> Vec<u8> {
        let Self { mut objects, mut told } = self;
        // It never was one, if the error is in it.
        told.words.push(&told.secrets, &objects.rest());
        told.logs.end_all(&told.secrets, &mut told.frames);
        told.steps.tell_all(&mut told.frames);
        let mut frames = std::mem::take(&mut told.frames);
        frames.add(match end.code {
            Some(0) => Event::Done(told.done(end.metadata.as_deref().unwrap_or_default())),
            _ => Event::Error(told.error(end)),
        });
        frames.take()
    }
}

impl Told {
    fn done(&self, metadata: &[u8]) -> BuildDone {
        let metadata = self.secrets.text(&String::from_utf8_lossy(metadata));
        let digest = status::image_digest(&metadata).unwrap_or_default();
        BuildDone { digest: frames::name(digest), metadata: frames::metadata(metadata) }
    }

    fn error(self, end: End) -> BuildError {
        let Self { secrets, steps, words, aside, .. } = self;
        let mut fault = words.fault(&secrets);
        if fault.message.is_empty() {
            fault.message = aside.fault(&secrets).message;
        }
        let step = steps.failed(&fault.message);
        let note = end.note.map(|note| secrets.text(&note));
        let message = match (note, fault.message) {
            (Some(note), said) if said.is_empty() => note,
            (Some(note), said) => format!("{note}: {said}"),
            (None, said) if !said.is_empty() => said,
            (None, _) if end.code.is_none() => KILLED.to_owned(),
            (None, _) => UNSAID.to_owned(),
        };
        BuildError {
            message: frames::text(message),
            step,
            file: frames::name(fault.file),
            first_line: fault.first_line,
            last_line: fault.last_line,
            excerpt: frames::text(fault.excerpt),
            full_disk: frames::name(end.full_disk.unwrap_or_default()),
        }
    }

    fn piece(&mut self, piece: Piece<'_>) {
        match piece {
            Piece::Text(text) => self.words.push(&self.secrets, text),
            Piece::TooLong => self.warnings.lost("too long", &mut self.frames),
            Piece::Object(object) => match Status::decode(&object) {
                Ok(status) => self.status(status),
                Err(_) => self.warnings.lost("not understood", &mut self.frames),
            },
        }
    }

    fn status(&mut self, status: Status) {
        let Status { vertexes, statuses, logs, warnings } = status;
        let (vertexes, logs) = (vertexes.unwrap_or_default(), logs.unwrap_or_default());
        // All are numbered first: they are each other's inputs.
        for vertex in &vertexes {
            self.steps.number(&vertex.digest);
        }
        for vertex in &vertexes {
            if has_log(vertex, &logs) {
                self.steps.update(&open(vertex), &self.secrets, &mut self.frames);
            } else {
                self.vertex(vertex);
            }
        }
        for part in statuses.unwrap_or_default() {
            if let Some(step) = self.steps.number(&part.vertex) {
                self.parts.update(step, &part, &self.secrets, &mut self.frames);
            }
        }
        for warning in warnings.unwrap_or_default() {
            let step = self.steps.number(&warning.vertex).unwrap_or(0);
            self.warnings.tell(step, warning, &self.secrets, &mut self.frames);
        }
        for log in &logs {
            self.log(log);
        }
        // What a step wrote comes before its end.
        for vertex in vertexes.iter().filter(|vertex| has_log(vertex, &logs)) {
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

    fn log(&mut self, log: &status::Log) {
        let Some(step) = self.steps.number(&log.vertex) else { return };
        let stream = if log.stream == 2 { 2 } else { 1 };
        let data = log.data.as_ref().map_or(&[][..], |data| &data.0);
        let time = nanos(log.timestamp);
        self.logs.push((step, stream), time, data, &self.secrets, &mut self.frames);
    }
}

fn has_log(vertex: &Vertex, logs: &[status::Log]) -> bool {
    vertex.completed.is_some() && logs.iter().any(|log| log.vertex == vertex.digest)
}

/// As it was before it ended.
fn open(vertex: &Vertex) -> Vertex {
    Vertex { completed: None, error: String::new(), ..vertex.clone() }
}
