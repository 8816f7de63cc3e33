//! An image's configuration.

use serde::Deserialize;

use super::{OpenError, Platform, descriptor::parse};
use kiln_digest::Digest;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub digest: Digest,
    /// The whole of it, as it lies in the image: what is to be run stands there.
    pub raw: Vec<u8>,
    pub platform: Platform,
    /// Of the layers' tars, from the lowest to the uppermost.
    pub diffs: Vec<Digest>,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(flatten)]
    platform: Platform,
    rootfs: RawRootfs,
}

#[derive(Deserialize)]
struct RawRootfs {
    #[serde(rename = "type")]
    kind: String,
    /// Docker writes `null` where there is no layer.
    diff_ids: Option<Vec<String>>,
}

impl Config {
    pub(super) fn parse(json: Vec<u8>) -> Result<Self, OpenError> {
        let what = "the configuration";
        let malformed = |problem| OpenError::Malformed { what: what.to_owned(), problem };
        let Raw { platform, rootfs } = parse(&json, what)?;
        if rootfs.kind != "layers" {
            return Err(malformed("its root is not of the type `layers`"));
        }
        let diffs = rootfs.diff_ids.unwrap_or_default();
        let diffs: Result<Vec<Digest>, _> = diffs.iter().map(|text| text.parse()).collect();
        let diffs = diffs.map_err(|_| malformed("a digest of a layer is not a sha256"))?;
        Ok(Self { digest: Digest::of(&json), raw: json, platform, diffs })
    }
}
