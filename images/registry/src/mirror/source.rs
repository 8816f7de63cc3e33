//! Registries outside, as the mirror asks them: in a tenant's name, with its credentials.

mod upstream;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{
    content::Chunks,
    digest::Digest,
    name::{Host, RepositoryName, Target},
};

use super::failure::Failure;

/// In whose name, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub tenant: String,
    pub host: Host,
    pub name: RepositoryName,
}

/// Retries and waits within bounds before it fails.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// `head`: only what it is. `within`: where something stands in for its answer.
    async fn manifest(
        &self,
        at: &Place,
        target: &Target,
        head: bool,
        within: Option<Duration>,
    ) -> Result<Found, Failure>;

    async fn has_blob(
        &self,
        at: &Place,
        digest: Digest,
        within: Option<Duration>,
    ) -> Result<Size, Failure>;

    /// From byte `from` on; a registry that can't do that sends it all.
    async fn blob(&self, at: &Place, digest: Digest, from: u64) -> Result<Download, Failure>;
}

#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// As far as it is told.
    pub digest: Option<Digest>,
    pub media_type: Option<String>,
    /// Empty when only what it is was asked for.
    pub bytes: Bytes,
    pub is_public: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// As far as it is told.
    pub bytes: Option<u64>,
    pub is_public: bool,
}

pub(crate) struct Download {
    /// Of all of it.
    pub size: u64,
    /// Where the chunks begin.
    pub start: u64,
    pub chunks: Chunks,
    pub is_public: bool,
}
