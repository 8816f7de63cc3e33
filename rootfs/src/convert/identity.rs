//! What a file system is called by, which follows from what it was made of.

mod fields;

use super::{Format, Recipe};
use kiln_digest::Uuid;

use crate::image::Image;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uuid: Uuid,
    pub(super) hash_seed: Uuid,
    /// When the image was made, as it says itself: seconds since 1970.
    pub made: u64,
}

impl Identity {
    /// The same image and recipe have the same one, and no others have it.
    pub(super) fn of(image: &Image, recipe: &Recipe) -> Self {
        let digest = fields::digest(&image.config.digest, recipe);
        Self {
            uuid: digest.uuid(),
            hash_seed: digest.second_uuid(),
            made: created(&image.config.raw),
        }
    }
}

/// What an image does not say, or says wrongly, is 1970, as it is where images are made to be reproduced.
fn created(config: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Document {
        created: Option<String>,
    }
    let document: Option<Document> = serde_json::from_slice(config).ok();
    let time = document.and_then(|document| document.created?.parse::<jiff::Timestamp>().ok());
    time.and_then(|time| u64::try_from(time.as_second()).ok()).unwrap_or_default()
}

impl Format {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Ext4 { .. } => "ext4",
            Self::Tar => "tar",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_says_when_it_was_made() {
        let check = |json: &str, expected| assert_eq!(created(json.as_bytes()), expected, "{json}");
        check(r#"{"created":"1970-01-01T00:01:00Z"}"#, 60);
        check(r#"{"created":"2024-05-01T12:00:00.123456789+02:00"}"#, 1_714_557_600);
        check(r#"{"created":null}"#, 0);
        check(r#"{"created":"yesterday"}"#, 0);
        check(r#"{"created":"0001-01-01T00:00:00Z"}"#, 0);
        check("{}", 0);
    }
}
