//! What a file system is called by, which follows from what it was made of.

use std::fmt;

use super::{Format, Recipe};
use crate::{
    digest::{Digest, Hasher},
    image::Image,
};

/// Displays as its UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uuid: [u8; 16],
    pub(super) hash_seed: [u8; 16],
    /// When the image was made, as it says itself: seconds since 1970.
    pub made: u64,
}

impl Identity {
    /// The same image and recipe have the same one, and no others have it.
    pub(super) fn of(image: &Image, recipe: &Recipe) -> Self {
        let mut hash = Hasher::default();
        hash.update(b"kiln-rootfs 1\0");
        hash.update(image.config.digest.bytes());
        let Recipe { wanted: _, limits: _, optimise, harden, init, format, packing: _ } = recipe;
        // What a recipe is made of has no maps whose order could change, and no addresses.
        hash.update(format!("{optimise:?}\0{harden:?}\0{init:?}\0{format:?}").as_bytes());
        let digest = hash.finish();
        Self {
            uuid: uuid(&half(&digest, 0)),
            hash_seed: uuid(&half(&digest, 16)),
            made: created(&image.config.raw),
        }
    }
}

fn half(digest: &Digest, from: usize) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.bytes()[from..from + 16]);
    half
}

/// Of version 8: made by a rule of one's own.
fn uuid(bytes: &[u8; 16]) -> [u8; 16] {
    let mut uuid = *bytes;
    uuid[6] = uuid[6] & 0x0f | 0x80;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    uuid
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

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.uuid.iter().enumerate() {
            if [4, 6, 8, 10].contains(&place) {
                formatter.write_str("-")?;
            }
            write!(formatter, "{byte:02x}")?;
        }
        Ok(())
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
