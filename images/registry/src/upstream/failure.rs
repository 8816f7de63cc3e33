//! Why a registry outside did not give what was asked of it.

use std::time::Duration;

use crate::{
    digest::Digest,
    name::{Host, RepositoryName},
};

/// Holds nothing secret and no words of the registry's own: it is shown to guests.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host}/{repository}: {failure}")]
pub struct UpstreamError {
    pub host: Host,
    pub repository: RepositoryName,
    pub failure: Failure,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    #[error("the registry has no such content, or shows it to nobody who asks as we do")]
    NotFound,
    #[error("the registry wants credentials{}", words(*.credentials, .withheld.as_ref()))]
    Unauthorized {
        /// Some were sent, and did not do.
        credentials: bool,
        /// A token server to which they were not sent, since it isn't known to be the registry's.
        withheld: Option<String>,
    },
    #[error("the registry refuses this to whom its credentials belong, or to the public")]
    Denied {
        /// Some were sent, and do not do.
        credentials: bool,
    },
    #[error("the registry asks to be left alone{}: try again later", after(.retry_after.as_ref()))]
    RateLimited { retry_after: Option<Duration> },
    #[error("the registry cannot be reached: {reason}")]
    Unreachable { reason: String },
    #[error("the registry failed with status {status}: try again later")]
    Failed { status: u16 },
    /// Nothing was sent there.
    #[error("{to} is out of bounds: {reason}")]
    Guarded { to: String, reason: &'static str },
    #[error("what answers is no registry: {found}")]
    NotARegistry { status: u16, found: String },
    #[error("what the registry sends is larger than the {most} bytes that it may be")]
    TooLarge { most: u64 },
    #[error("the registry sent {found} as {expected}")]
    OtherDigest { expected: Digest, found: Digest },
    #[error("the registry sent {found} bytes of {expected}")]
    OtherSize { expected: u64, found: u64 },
    #[error("the registry refuses the request with status {status}{}", coded(.code.as_deref()))]
    Rejected {
        status: u16,
        /// Of the distribution specification.
        code: Option<String>,
    },
    /// Where they lie is not for guests.
    #[error("the operator's credentials for it cannot be used: the host's log tells why")]
    Credential { reason: String },
    /// Of what was to be pushed.
    #[error("what was to be pushed cannot be read: {reason}")]
    Source { reason: String },
}

impl UpstreamError {
    /// What it answered, if it did.
    pub fn status(&self) -> Option<u16> {
        match &self.failure {
            Failure::NotFound => Some(404),
            Failure::Unauthorized { .. } => Some(401),
            Failure::Denied { .. } => Some(403),
            Failure::RateLimited { .. } => Some(429),
            Failure::Failed { status }
            | Failure::NotARegistry { status, .. }
            | Failure::Rejected { status, .. } => Some(*status),
            Failure::Unreachable { .. }
            | Failure::Guarded { .. }
            | Failure::TooLarge { .. }
            | Failure::OtherDigest { .. }
            | Failure::OtherSize { .. }
            | Failure::Credential { .. }
            | Failure::Source { .. } => None,
        }
    }

    /// The registry said that this asker may not have it: it is not to be served from a store either.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.failure,
            Failure::NotFound | Failure::Unauthorized { .. } | Failure::Denied { .. }
        )
    }

    /// It says nothing of the content or of who may have it: what is stored may serve.
    pub fn is_outage(&self) -> bool {
        matches!(
            self.failure,
            Failure::RateLimited { .. } | Failure::Unreachable { .. } | Failure::Failed { .. }
        )
    }

    pub fn retry_after(&self) -> Option<Duration> {
        match self.failure {
            Failure::RateLimited { retry_after } => retry_after,
            _ => None,
        }
    }
}

fn words(credentials: bool, withheld: Option<&String>) -> String {
    match (credentials, withheld) {
        (_, Some(host)) => format!(
            ": there are some, but its token server {host} is not listed in its `token_hosts`"
        ),
        (true, None) => ": those that it was sent do not do".to_owned(),
        (false, None) => ": there are none for this tenant".to_owned(),
    }
}

fn after(time: Option<&Duration>) -> String {
    time.map(|time| format!(" for {} s", time.as_secs())).unwrap_or_default()
}

fn coded(code: Option<&str>) -> String {
    code.map(|code| format!(" ({code})")).unwrap_or_default()
}
