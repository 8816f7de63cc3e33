//! What one object says: `SolveStatus`, as the engine's client writes it as JSON.
//!
//! Bytes are base64 in it, times RFC 3339; what is empty is left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use super::time;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) vertexes: Option<Vec<Vertex>>,
    pub(super) statuses: Option<Vec<Part>>,
    pub(super) logs: Option<Vec<Log>>,
    pub(super) warnings: Option<Vec<Warning>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vertex {
    pub(super) digest: String,
    pub(super) inputs: Option<Vec<String>>,
    pub(super) name: String,
    pub(super) started: Option<Time>,
    pub(super) completed: Option<Time>,
    pub(super) cached: bool,
    pub(super) error: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Part {
    pub(super) id: String,
    pub(super) vertex: String,
    pub(super) total: i64,
    pub(super) current: i64,
    pub(super) timestamp: Option<Time>,
    pub(super) started: Option<Time>,
    pub(super) completed: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Log {
    pub(super) vertex: String,
    pub(super) stream: i64,
    pub(super) data: Option<Base64>,
    pub(super) timestamp: Option<Time>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Warning {
    pub(super) vertex: String,
    pub(super) short: Option<Base64>,
    pub(super) detail: Option<Vec<Base64>>,
    pub(super) url: String,
    #[serde(rename = "sourceInfo")]
    pub(super) source: Option<Source>,
    pub(super) range: Option<Vec<Range>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub(super) filename: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    pub(super) start: Option<Position>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Position {
    pub(super) line: u32,
}

/// In nanoseconds since 1970; 0: none that can be told.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(from = "String")]
pub(super) struct Time(u64);

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Base64(pub(super) Vec<u8>);

impl Status {
    /// What does not have its form has no meaning that could be told.
    pub(super) fn decode(object: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&String::from_utf8_lossy(object))
    }
}

/// Of what was exported, in what the client writes about it.
pub(super) fn image_digest(metadata: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "containerimage.digest")]
        digest: String,
    }
    serde_json::from_str::<Metadata>(metadata).ok().map(|metadata| metadata.digest)
}

pub(super) fn nanos(time: Option<Time>) -> u64 {
    time.map_or(0, |time| time.0)
}

impl From<String> for Time {
    fn from(text: String) -> Self {
        Self(time::unix_nanos(&text).unwrap_or(0))
    }
}

impl TryFrom<String> for Base64 {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, base64::DecodeError> {
        STANDARD.decode(text).map(Self)
    }
}
