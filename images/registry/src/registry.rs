//! The registry of a host: what its protocol serves from, and for whom.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    caller::Caller,
    content::{Blob, Manifest},
    digest::Digest,
    http::{self, memory::Memory},
    mirror::{Extent, Mirror},
    name::{Host, RepositoryName, Target},
    problem::Problem,
    store::Store,
};

/// Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(crate) store: Store,
    pub(crate) mirror: Arc<dyn Outside>,
    pub(crate) memory: Arc<Memory>,
}

/// What registries outside have. Whoever is refused something is told by it, and so is their ledger.
#[async_trait]
pub trait Outside: Send + Sync {
    async fn manifest(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<Manifest, Problem>;

    /// A part has to lie within it.
    async fn blob(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
        extent: Extent,
    ) -> Result<Blob, Problem>;
}

#[async_trait]
impl Outside for Mirror {
    async fn manifest(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<Manifest, Problem> {
        Self::manifest(self, caller, host, name, target).await
    }

    async fn blob(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
        extent: Extent,
    ) -> Result<Blob, Problem> {
        Self::blob(self, caller, host, name, digest, extent).await
    }
}

/// Which way a caller came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// From a guest, through its gateway.
    Guest,
    /// From a client on this host, over the loopback interface: it may be a browser's doing.
    Loopback,
}

impl Registry {
    pub fn new(store: Store, mirror: Arc<dyn Outside>) -> Self {
        Self { store, mirror, memory: Arc::default() }
    }

    /// Answers what is asked on a connection, until it ends. How many there are at once is for whoever
    /// accepts them to bound.
    ///
    /// # Cancel safety
    /// Dropped, the connection breaks; what was answered stands.
    pub async fn serve<S>(&self, stream: S, caller: Caller, via: Via)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        http::connection::serve(self, stream, &caller, via).await;
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}
