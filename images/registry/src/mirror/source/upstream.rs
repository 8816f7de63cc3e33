//! The client of registries, as the mirror's source.

use std::time::Duration;

use async_trait::async_trait;

use super::{Download, Found, Place, Size, Source};
use crate::{
    digest::Digest,
    mirror::failure::Failure,
    name::Target,
    problem::Code,
    upstream::{self, Session, Upstream, UpstreamError},
};

#[async_trait]
impl Source for Upstream {
    async fn manifest(
        &self,
        at: &Place,
        target: &Target,
        head: bool,
        within: Option<Duration>,
    ) -> Result<Found, Failure> {
        let found = Self::manifest(self, &session(at, within), &at.name, target, head).await?;
        let upstream::Fetched { digest, media_type, bytes, anonymous: is_public } = found;
        let media_type = Some(media_type).filter(|media_type| !media_type.is_empty());
        Ok(Found { digest: Some(digest), media_type, bytes, is_public })
    }

    async fn has_blob(
        &self,
        at: &Place,
        digest: Digest,
        within: Option<Duration>,
    ) -> Result<Size, Failure> {
        let found = Self::has_blob(self, &session(at, within), &at.name, digest).await?;
        let upstream::Presence { size: bytes, anonymous: is_public } = found;
        Ok(Size { bytes, is_public })
    }

    async fn blob(&self, at: &Place, digest: Digest, from: u64) -> Result<Download, Failure> {
        let download = Self::blob(self, &session(at, None), &at.name, digest, from).await?;
        let upstream::Download { size, start, chunks, anonymous: is_public } = download;
        Ok(Download { size, start, chunks, is_public })
    }
}

fn session(at: &Place, within: Option<Duration>) -> Session {
    let session = Session::new(at.tenant.clone(), at.host.clone());
    match within {
        Some(within) => session.within(within),
        None => session,
    }
}

impl From<UpstreamError> for Failure {
    fn from(error: UpstreamError) -> Self {
        let status = error.status();
        let why = error.failure.to_string();
        let lies = |code| Self::Lies { code, why: why.clone() };
        match error.failure {
            upstream::Failure::Unauthorized { credentials, withheld: _ } => {
                Self::Unauthorized { why, credentials }
            }
            upstream::Failure::Denied { credentials } => Self::Denied { credentials },
            upstream::Failure::RateLimited { retry_after } => {
                Self::Answered { status: 429, retry_after }
            }
            upstream::Failure::NotFound
            | upstream::Failure::Failed { .. }
            | upstream::Failure::Rejected { .. } => match status {
                Some(status) => Self::Answered { status, retry_after: None },
                None => Self::Away { why },
            },
            upstream::Failure::Unreachable { .. } | upstream::Failure::Credential { .. } => {
                Self::Away { why }
            }
            upstream::Failure::Guarded { .. } => Self::Forbidden { why },
            upstream::Failure::NotARegistry { .. } | upstream::Failure::Source { .. } => {
                lies(Code::ManifestInvalid)
            }
            upstream::Failure::TooLarge { .. } | upstream::Failure::OtherSize { .. } => {
                lies(Code::SizeInvalid)
            }
            upstream::Failure::OtherDigest { .. } => lies(Code::DigestInvalid),
        }
    }
}
