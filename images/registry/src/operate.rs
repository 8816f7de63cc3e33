//! What people do with images: look, name, remove, bring, send, carry in and out as tars.
//!
//! ```text
//! pull ──▶ mirror ─▶ store          push:   store ─▶ tree ─▶ blobs, then manifests ─▶ upstream
//! import ─▶ staging ─▶ verified ─▶ named    export: store ─▶ tree ─▶ tar
//! ```
//! Everything is done in the name of a tenant. Its own `local/…` it may change; what came from
//! registries outside it sees as far as they let it in, and that not too long ago.

mod build;
mod change;
mod config;
mod error;
mod export;
mod import;
mod list;
mod look;
mod plan;
mod platform;
mod progress;
mod pull;
mod push;
mod reference;
mod shelf;
mod tree;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use self::{
    build::{Built, BuiltImage, Fault, Form, IngestError, Onward},
    change::Pruned,
    config::{ImageConfig, MAX_CONFIG_BYTES},
    error::{Blamed, OperateError},
    list::{Listing, Page},
    look::{Image, Inspected, Part},
    plan::Plan,
    platform::{InvalidPlatform, Platforms},
    progress::{Progress, Transfer},
    pull::Pulled,
    push::Pushed,
    reference::{InvalidReference, Place, Reference},
};
pub(crate) use self::{
    shelf::Stored,
    tree::{Node, Shelf, Tree},
};
use crate::{
    mirror::Mirror,
    repository::{Repository, Space},
    store::{Right, Store},
    upstream::Upstream,
};

/// Cheap to clone.
#[derive(Clone)]
pub struct Images {
    pub(crate) store: Store,
    pub(crate) upstream: Upstream,
    mirror: Arc<dyn pull::Bring>,
    pub(crate) config: Config,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// What is private is shown to who was let in by its registry within this time.
    pub rights_age: Duration,
    /// No registry is given anything.
    pub is_offline: bool,
}

impl Images {
    pub fn new(store: Store, mirror: Mirror, upstream: Upstream, config: Config) -> Self {
        Self { store, upstream, mirror: Arc::new(mirror), config }
    }

    /// Whether what is stored of it may be shown.
    pub(crate) async fn may_read(
        &self,
        tenant: &str,
        repository: &Repository,
    ) -> Result<bool, OperateError> {
        Ok(match &repository.space {
            Space::Local { tenant: owner } | Space::Build { tenant: owner } => owner == tenant,
            Space::Mirror { .. } => {
                let right = self.store.right(tenant, repository).await?;
                right.is_some_and(|right| self.is_in_force(right))
            }
        })
    }

    /// One from the future is none: its age can't be told.
    fn is_in_force(&self, right: Right) -> bool {
        let age = SystemTime::now().duration_since(right.at);
        right.public || age.is_ok_and(|age| age < self.config.rights_age)
    }

    /// An image of the store, with all of it that is there.
    pub(crate) async fn tree(
        &self,
        tenant: &str,
        reference: &Reference,
    ) -> Result<(Repository, Tree), OperateError> {
        let repository = reference.repository(tenant);
        let not_found = || OperateError::NotFound { reference: reference.to_string() };
        if !self.may_read(tenant, &repository).await? {
            return Err(not_found());
        }
        let shelf = Stored { store: &self.store, repository: &repository };
        let tree = shelf.tree(&reference.target()).await?.ok_or_else(not_found)?;
        Ok((repository, tree))
    }
}

impl fmt::Debug for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Images").finish_non_exhaustive()
    }
}
