//! Details of an error, as JSON in the engine's form.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Vertex {
    pub(super) digest: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Source {
    pub(super) info: Info,
    pub(super) ranges: Vec<Range>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Info {
    pub(super) filename: String,
    /// The whole file.
    #[serde(deserialize_with = "base64")]
    pub(super) data: Vec<u8>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    pub(super) start: Position,
    pub(super) end: Position,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Position {
    /// From 1.
    pub(super) line: u32,
}

impl Range {
    pub(super) fn lines(self) -> (u32, u32) {
        (self.start.line, self.end.line.max(self.start.line))
    }
}

fn base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    STANDARD.decode(text).map_err(D::Error::custom)
}
