//! Why something was not done with an image.

use super::{InvalidPlatform, InvalidReference};
use crate::{
    digest::Digest, layout::InvalidLayout, manifest::InvalidManifest, name::Host, problem::Problem,
    store::StoreError, upstream::UpstreamError,
};

#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    #[error(transparent)]
    Reference(#[from] InvalidReference),
    #[error(transparent)]
    Platform(#[from] InvalidPlatform),
    /// Or its right to read it is too old, or none: that looks the same.
    #[error("{reference} is not stored here{}", hint(.reference))]
    NotFound { reference: String },
    #[error("{reference} is no name that can be given here: expected local/NAME[:TAG]")]
    NotLocal { reference: String },
    #[error("{reference} is this host's own: there is no registry to bring it from")]
    NotOutside { reference: String },
    #[error("{target} is this host's own: give the image that name with `tag`")]
    PushedToItself { target: String },
    #[error("{reference} has no tag to give: expected local/NAME:TAG")]
    NoTag { reference: String },
    #[error("{reference} is not stored whole, {missing} is missing: pull it first")]
    Incomplete { reference: String, missing: Digest },
    #[error("{reference} has no image for {wanted}, but for {}", list(.found))]
    NoPlatform { reference: String, wanted: String, found: Vec<String> },
    #[error("{digest} is no manifest that can be worked with")]
    Manifest { digest: Digest, source: InvalidManifest },
    #[error("{digest} has {found} bytes, and not the {expected} that are said of it")]
    OtherSize { digest: Digest, expected: u64, found: u64 },
    #[error("{digest} was removed meanwhile")]
    WentAway { digest: Digest },
    #[error("{target} names another digest than the image has: {found}")]
    OtherDigest { target: String, found: Digest },
    #[error("indexes in indexes, deeper than {most} levels")]
    TooDeep { most: usize },
    #[error("its manifests are larger than {most} bytes together")]
    TooLarge { most: usize },
    #[error("{reference}: {problem}")]
    Mirror { reference: String, host: Host, repository: String, problem: Box<Problem> },
    #[error("the registry {host} may not be reached from here: {reason}")]
    NotAdmitted { host: Host, reason: &'static str },
    #[error(transparent)]
    Upstream(Box<UpstreamError>),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Layout(#[from] InvalidLayout),
}

impl From<UpstreamError> for OperateError {
    fn from(error: UpstreamError) -> Self {
        Self::Upstream(Box::new(error))
    }
}

/// The registry outside that refused or failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blamed {
    pub host: Host,
    pub repository: String,
    /// What it answered, when it did.
    pub status: Option<u16>,
}

impl OperateError {
    pub fn blamed(&self) -> Option<Blamed> {
        match self {
            Self::Mirror { host, repository, problem, .. } => {
                problem.upstream.as_ref().map(|upstream| Blamed {
                    host: host.clone(),
                    repository: repository.clone(),
                    status: upstream.status,
                })
            }
            Self::Upstream(error) => Some(Blamed {
                host: error.host.clone(),
                repository: error.repository.to_string(),
                status: error.status(),
            }),
            _ => None,
        }
    }
}

fn hint(reference: &str) -> &'static str {
    if reference.starts_with("local/") { "" } else { ": pull it first" }
}

fn list(found: &[String]) -> String {
    if found.is_empty() { "no platform that is known".to_owned() } else { found.join(", ") }
}
