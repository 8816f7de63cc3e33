//! Why a text is no digest.

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDigest {
    #[error("{algorithm} is not supported here: content is named by its sha256")]
    Algorithm { algorithm: String },
    #[error("not a digest: expected `sha256:` and 64 lower-case hex digits")]
    Malformed,
}
