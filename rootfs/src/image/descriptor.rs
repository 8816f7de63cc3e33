//! What one JSON of an image says of another, or of a layer.

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::{Extent, OpenError, Platform, shelf::Shelf};
use kiln_digest::Digest;

/// Of one index or manifest.
pub(super) const JSON_LIMIT: u64 = 4 << 20;
/// A configuration tells its image's whole history.
pub(super) const CONFIG_LIMIT: u64 = 8 << 20;

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    pub(super) platform: Option<Platform>,
    #[serde(default)]
    pub(super) annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    pub(super) fn digest(&self, what: &str) -> Result<Digest, OpenError> {
        let problem = "its digest is not one that is taken: only sha256 is";
        let wrong = |_| OpenError::Malformed { what: what.to_owned(), problem };
        self.digest.parse().map_err(wrong)
    }

    /// Where it lies; whoever reads it compares the digest.
    pub(super) fn extent(&self, shelf: &Shelf, what: &str) -> Result<Extent, OpenError> {
        shelf.blob(self.digest(what)?, self.size, what)
    }

    /// All of it, hashed.
    pub(super) fn bytes(
        &self,
        shelf: &Shelf,
        what: &str,
        limit: u64,
    ) -> Result<Vec<u8>, OpenError> {
        if self.size > limit {
            return Err(OpenError::TooLong { what: what.to_owned(), size: self.size, limit });
        }
        let expected = self.digest(what)?;
        let bytes = self.extent(shelf, what)?.bytes().map_err(OpenError::Io)?;
        check(&bytes, expected, what)?;
        Ok(bytes)
    }

    pub(super) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

pub(super) fn check(bytes: &[u8], expected: Digest, what: &str) -> Result<(), OpenError> {
    let digest = Digest::of(bytes);
    if digest == expected {
        Ok(())
    } else {
        Err(OpenError::DigestMismatch { what: what.to_owned(), digest, expected })
    }
}

pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T, OpenError> {
    serde_json::from_slice(bytes)
        .map_err(|source| OpenError::Json { what: what.to_owned(), source })
}
