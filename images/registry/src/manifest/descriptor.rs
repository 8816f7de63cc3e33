//! Content by type, digest and size.

use super::Annotations;
use crate::digest::Digest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    /// At most `i64::MAX`, and so are the sizes of all that a manifest names together.
    pub size: u64,
    pub platform: Option<Platform>,
    pub artifact_type: Option<String>,
    /// Where else the content may be. Nothing here ever goes there.
    pub urls: Vec<String>,
    pub annotations: Annotations,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    pub variant: Option<String>,
    pub os_version: Option<String>,
}

impl Descriptor {
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            platform: None,
            artifact_type: None,
            urls: Vec::new(),
            annotations: Annotations::new(),
        }
    }
}

impl std::fmt::Display for Platform {
    /// `linux/arm/v7`
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { os, architecture, variant, os_version: _ } = self;
        write!(f, "{os}/{architecture}")?;
        match variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}
