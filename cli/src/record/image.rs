//! Images and the registry that keeps them.

use serde::Serialize;
use serde_json::Value;

use super::Time;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Image {
    /// With its registry.
    pub(crate) name: String,
    /// `None` where only its digest names it.
    pub(crate) tag: Option<String>,
    pub(crate) digest: String,
    pub(crate) media_type: String,
    /// Of what is stored of it.
    pub(crate) size_bytes: u64,
    pub(crate) created_at: Option<Time>,
    /// Of a tag from outside: when its registry last said so.
    pub(crate) confirmed_at: Option<Time>,
    pub(crate) platforms: Vec<String>,
    /// Something of it is not stored.
    pub(crate) incomplete: bool,
}

/// All that is known of one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct ImageDetails {
    #[serde(flatten)]
    pub(crate) image: Image,
    pub(crate) parts: Vec<ImagePart>,
    /// As JSON; `None` where it is none.
    pub(crate) manifest: Option<Value>,
    /// `None` for an index.
    pub(crate) config: Option<Value>,
    /// The manifest, byte for byte.
    #[serde(skip)]
    pub(crate) raw: bytes::Bytes,
}

/// A layer, or a manifest of an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ImagePart {
    pub(crate) digest: String,
    pub(crate) media_type: String,
    pub(crate) size_bytes: u64,
    pub(crate) platform: Option<String>,
    pub(crate) stored: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Pulled {
    pub(crate) image: Image,
    pub(crate) fetched_bytes: u64,
    /// The registry did not answer: the tag may mean something else by now.
    pub(crate) stale: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pushed {
    pub(crate) target: String,
    pub(crate) digest: String,
    pub(crate) sent_bytes: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Pruned {
    pub(crate) images: u64,
    pub(crate) blobs: u64,
    pub(crate) bytes: u64,
}

impl Image {
    /// As other commands take it.
    pub(crate) fn reference(&self) -> String {
        let Self { name, tag, digest, .. } = self;
        match tag {
            Some(tag) => format!("{name}:{tag}"),
            None => format!("{name}@{digest}"),
        }
    }

    /// What it is now, whatever its tag means later.
    pub(crate) fn pinned(&self) -> String {
        let Self { name, tag, digest, .. } = self;
        let tag = tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        format!("{name}{tag}@{digest}")
    }
}
