//! What is wrong with a manifest.

use super::{MAX_DESCRIPTORS, json::InvalidJson};
use crate::{content::MAX_MANIFEST_BYTES, digest::InvalidDigest};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidManifest {
    #[error("a manifest of {bytes} bytes is too large: at most {MAX_MANIFEST_BYTES}")]
    TooLarge { bytes: usize },
    #[error("not a manifest")]
    Json(#[source] InvalidJson),
    #[error("not a manifest: expected a JSON object")]
    NotAnObject,
    #[error(
        "a manifest of docker's schema 1 is not supported: push the image again with a client that \
         writes OCI images or docker's schema 2"
    )]
    Schema1,
    #[error("not a manifest: expected `\"schemaVersion\": 2`")]
    SchemaVersion,
    #[error("sent as {declared}, but its mediaType is {stated}")]
    Disagreement { declared: String, stated: String },
    #[error("ambiguous: {field} has no place in {what}")]
    Ambiguous { field: &'static str, what: &'static str },
    #[error("ambiguous: some read a field of {at} as {field}, others don't, by its letters' case")]
    Folded { at: String, field: &'static str },
    #[error("neither an image (`config` and `layers`) nor an index (`manifests`)")]
    Shapeless,
    #[error("{count} descriptors are too many: at most {MAX_DESCRIPTORS}")]
    TooManyDescriptors { count: usize },
    #[error("the sizes of what it names are no number of bytes together")]
    TooMuchContent,
    #[error("{at} {wrong}")]
    Field { at: String, wrong: Wrong },
    /// Where a digest is.
    #[error("{at}")]
    Digest { at: String, source: InvalidDigest },
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("is missing")]
    Missing,
    #[error("is not {expected}")]
    Not { expected: &'static str },
    #[error("is too long: at most {most} bytes")]
    TooLong { most: usize },
    #[error("are too many: at most {most}")]
    TooMany { most: usize },
}
