//! What the process that runs a build says on its standard output: frames, each a length and a message.

use std::io::{self, Write};

use bollard_buildkit_proto::moby::buildkit::v1::StatusResponse;
use prost::{Message, Oneof};

/// The engine's own messages are of at most 16 MiB; what is longer is not read.
const MAX_FRAME_BYTES: usize = 17 << 20;

/// The last one is [`Done`] or [`Failure`], unless the process was killed.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    Progress(StatusResponse),
    Done(Done),
    Failed(Failure),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Done {
    /// What `--metadata-file` would have of it, as JSON; empty where nothing was exported.
    #[prost(string, tag = "1")]
    pub metadata: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub struct Failure {
    /// In the engine's words, or ours.
    #[prost(string, tag = "1")]
    pub message: String,
    /// Digest of the vertex that failed, where the engine says.
    #[prost(string, tag = "2")]
    pub vertex: String,
    #[prost(message, optional, tag = "3")]
    pub place: Option<Place>,
}

/// In a Dockerfile.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct Place {
    #[prost(string, tag = "1")]
    pub file: String,
    #[prost(uint32, tag = "2")]
    pub first_line: u32,
    #[prost(uint32, tag = "3")]
    pub last_line: u32,
    /// The lines around it, numbered, as `docker buildx build` shows them.
    #[prost(string, tag = "4")]
    pub excerpt: String,
}

#[derive(Clone, PartialEq, Message)]
struct Frame {
    #[prost(oneof = "Content", tags = "1, 2, 3")]
    content: Option<Content>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Content {
    #[prost(message, tag = "1")]
    Progress(StatusResponse),
    #[prost(message, tag = "2")]
    Done(Done),
    #[prost(message, tag = "3")]
    Failed(Failure),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportsError {
    #[error("a report is longer than {MAX_FRAME_BYTES} bytes")]
    TooLong,
    #[error("a report is none: {0}")]
    Malformed(String),
}

impl Report {
    pub fn write(self, to: &mut impl Write) -> io::Result<()> {
        let content = match self {
            Self::Progress(status) => Content::Progress(status),
            Self::Done(done) => Content::Done(done),
            Self::Failed(failure) => Content::Failed(failure),
        };
        to.write_all(&Frame { content: Some(content) }.encode_length_delimited_to_vec())?;
        to.flush()
    }
}

/// Cuts reports out of bytes as they come.
#[derive(Debug, Default)]
pub struct Reports {
    held: Vec<u8>,
}

impl Reports {
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    #[expect(clippy::should_implement_trait, reason = "what is not whole yet comes later")]
    /// The next whole one. After an error there is none that could be told.
    pub fn next(&mut self) -> Result<Option<Report>, ReportsError> {
        loop {
            let mut rest = &self.held[..];
            let length = match prost::decode_length_delimiter(&mut rest) {
                Ok(length) if length > MAX_FRAME_BYTES => return Err(ReportsError::TooLong),
                Ok(length) if length > rest.len() => return Ok(None),
                Ok(length) => length,
                Err(_) if self.held.len() < 10 => return Ok(None),
                Err(error) => return Err(ReportsError::Malformed(error.to_string())),
            };
            let frame = Frame::decode(&rest[..length]);
            let taken = self.held.len() - rest.len() + length;
            self.held.drain(..taken);
            let frame = frame.map_err(|error| ReportsError::Malformed(error.to_string()))?;
            match frame.content {
                Some(Content::Progress(status)) => return Ok(Some(Report::Progress(status))),
                Some(Content::Done(done)) => return Ok(Some(Report::Done(done))),
                Some(Content::Failed(failure)) => return Ok(Some(Report::Failed(failure))),
                // Of a kind that is not known.
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_come_back_whole_however_they_are_cut() {
        let place = Place { file: "Dockerfile".into(), first_line: 3, ..Place::default() };
        let all = [
            Report::Progress(StatusResponse::default()),
            Report::Done(Done { metadata: "{}".repeat(200) }),
            Report::Failed(Failure {
                message: "no".into(),
                place: Some(place),
                ..Failure::default()
            }),
        ];
        let mut bytes = Vec::new();
        for report in &all {
            report.clone().write(&mut bytes).unwrap();
        }
        for size in [1, 2, 7, bytes.len()] {
            let mut reports = Reports::default();
            let mut heard = Vec::new();
            for piece in bytes.chunks(size) {
                reports.push(piece);
                while let Some(report) = reports.next().unwrap() {
                    heard.push(report);
                }
            }
            assert_eq!(heard, all);
        }
    }

    #[test]
    fn what_is_no_report_is_told() {
        let mut reports = Reports::default();
        reports.push(&[0xff; 5]);
        assert_eq!(reports.next(), Ok(None));
        reports.push(&[0xff; 5]);
        assert!(matches!(reports.next(), Err(ReportsError::Malformed(_))));
        let mut reports = Reports::default();
        let mut long = Vec::new();
        prost::encode_length_delimiter(MAX_FRAME_BYTES + 1, &mut long).unwrap();
        reports.push(&long);
        assert_eq!(reports.next(), Err(ReportsError::TooLong));
    }
}
