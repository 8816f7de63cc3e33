//! What an image's configuration says of it.

use serde_json::Value;

use crate::manifest::{
    Platform,
    json::{self, InvalidJson},
};

/// Larger ones are passed on, and not looked into.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;

const MAX_TEXT_BYTES: usize = 128;

/// As far as images are told apart by it. What is not there, or of another kind, is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageConfig {
    pub platform: Option<Platform>,
    /// RFC 3339, as it stands there.
    pub created: Option<String>,
    /// Of its layers, uncompressed.
    pub diff_ids: usize,
}

impl ImageConfig {
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidJson> {
        let value = json::parse(bytes)?;
        let text = |field: &str| {
            let text = value.get(field)?.as_str()?;
            // It is shown to people as it is.
            let is_shown = text.bytes().all(|byte| byte.is_ascii_graphic());
            (is_shown && (1..=MAX_TEXT_BYTES).contains(&text.len())).then(|| text.to_owned())
        };
        let platform = text("os").zip(text("architecture")).map(|(os, architecture)| Platform {
            os,
            architecture,
            variant: text("variant"),
            os_version: text("os.version"),
        });
        let diff_ids = value.pointer("/rootfs/diff_ids").and_then(Value::as_array);
        Ok(Self { platform, created: text("created"), diff_ids: diff_ids.map_or(0, Vec::len) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_says() {
        let text = r#"{"os":"linux","architecture":"arm64","variant":"v8","created":"2026-01-02T03:04:05Z",
            "rootfs":{"type":"layers","diff_ids":["sha256:0","sha256:1"]},"config":{"Env":["A=B"]}}"#;
        let config = ImageConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm64/v8");
        assert_eq!((config.created.as_deref(), config.diff_ids), (Some("2026-01-02T03:04:05Z"), 2));
    }

    #[test]
    fn what_it_does_not() {
        for text in ["{}", "[]", "null", r#"{"os":1,"architecture":[]}"#, r#"{"os":"linux"}"#] {
            assert_eq!(ImageConfig::parse(text.as_bytes()), Ok(ImageConfig::default()), "{text}");
        }
        for text in ["", "{", "\u{1f}\u{8b}"] {
            assert!(ImageConfig::parse(text.as_bytes()).is_err());
        }
    }
}
