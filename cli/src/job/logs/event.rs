//! What stands in a log, and how `--json` prints it.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use kiln_proto::v1::{self, read_log_response};
use serde::{Serialize, Serializer, ser::SerializeMap};

use crate::{output::Stream, record::Time};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Event {
    Chunk(Chunk),
    Gap { offset: u64, dropped_bytes: u64 },
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chunk {
    pub(super) offset: u64,
    pub(super) time: Option<Time>,
    pub(super) stream: Stream,
    pub(super) data: Bytes,
}

impl From<read_log_response::Event> for Event {
    fn from(wire: read_log_response::Event) -> Self {
        match wire {
            read_log_response::Event::Chunk(chunk) => {
                let stream = match chunk.stream() {
                    v1::Stream::Stderr => Stream::Stderr,
                    v1::Stream::Stdout | v1::Stream::Unspecified => Stream::Stdout,
                };
                let v1::LogChunk { offset, time, stream: _, data } = chunk;
                Self::Chunk(Chunk { offset, time: time.map(Time::from), stream, data })
            }
            read_log_response::Event::Gap(v1::LogGap { offset, dropped_bytes }) => {
                Self::Gap { offset, dropped_bytes }
            }
        }
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Chunk(Chunk { offset, time, stream, data }) => {
                map.serialize_entry("offset", offset)?;
                map.serialize_entry("time", time)?;
                map.serialize_entry("stream", stream.name())?;
                match std::str::from_utf8(data) {
                    Ok(text) => map.serialize_entry("data", text)?,
                    Err(_) => {
                        map.serialize_entry("data_base64", &BASE64_STANDARD.encode(data))?;
                    }
                }
            }
            Self::Gap { offset, dropped_bytes } => {
                map.serialize_entry("offset", offset)?;
                map.serialize_entry("dropped_bytes", dropped_bytes)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(event: &Event, expected: &str) {
        assert_eq!(serde_json::to_string(event).unwrap(), expected);
    }

    fn chunk(stream: v1::Stream, data: &'static [u8]) -> Event {
        Event::from(read_log_response::Event::Chunk(v1::LogChunk {
            offset: 5,
            time: Some(prost_types::Timestamp { seconds: 1, nanos: 0 }),
            stream: stream.into(),
            data: Bytes::from_static(data),
        }))
    }

    #[test]
    fn text_is_text_and_the_rest_is_base64() {
        check(
            &chunk(v1::Stream::Stdout, "grün\n\0".as_bytes()),
            r#"{"offset":5,"time":"1970-01-01T00:00:01.000000Z","stream":"stdout","data":"grün\n\u0000"}"#,
        );
        check(
            &chunk(v1::Stream::Stderr, b"\xff\xfe"),
            r#"{"offset":5,"time":"1970-01-01T00:00:01.000000Z","stream":"stderr","data_base64":"//4="}"#,
        );
        check(&Event::Gap { offset: 9, dropped_bytes: 3 }, r#"{"offset":9,"dropped_bytes":3}"#);
    }
}
