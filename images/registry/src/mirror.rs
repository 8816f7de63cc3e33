//! Pulls through: what registries outside have is brought here once, for who may have it.
//!
//! ```text
//!              ┌ fresh right ───────────────────────────────▶ from the store: confirmed
//! asked ─▶ may ├ ask the registry, in the tenant's name ─▶ it says the same ▶ confirmed
//!              │     │ it sends it ─▶ verified, stored ─────▶ fetched
//!              │     │ it refuses ─▶ the right is forgotten ▶ refused
//!              │     └ it is not there ─▶ young right, or public ▶ stale; else refused
//!              └ stored only, or offline ─▶ young right, or public ▶ stale; else refused
//! ```
//! Content is reached through a repository that links it. A blob is linked when its registry has sent
//! it for that repository, or has said that it is there and is known to have it: a registry that only
//! claims to have what another one keeps private does not get it from us.

mod allowance;
mod ask;
mod blob;
mod download;
mod failure;
mod flights;
mod followed;
mod manifest;
mod quiet;
mod right;
mod sizes;
mod source;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    caller::Caller,
    content::{self, Part},
    digest::Digest,
    name::{Host, RepositoryName, Target},
    problem::Problem,
    store::Store,
    upstream::Upstream,
};

use self::{
    allowance::Allowances,
    ask::refuse,
    download::Downloads,
    failure::{Asked, Failure, Wanted},
    flights::Flights,
    quiet::Quiet,
    sizes::Sizes,
    source::{Place, Size, Source},
};
pub use self::{allowance::Limits, download::Patience, right::Ages};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    pub ages: Ages,
    /// Of each job, and of each tenant's local clients together.
    pub limits: Limits,
    pub patience: Patience,
    /// No registry is asked for anything.
    pub is_offline: bool,
}

/// What of a blob is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// What it is; no byte of it.
    Head,
    Whole,
    Part(Part),
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Mirror {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    source: Arc<dyn Source>,
    config: Config,
    allowances: Mutex<Allowances>,
    quiet: Mutex<Quiet>,
    sizes: Mutex<Sizes>,
    downloads: Downloads,
    manifests: Flights<(Place, Target), Result<content::Manifest, Failure>>,
    blobs: Flights<(Place, Digest), Result<Size, Failure>>,
}

impl Mirror {
    pub fn new(store: Store, upstream: Upstream, config: Config) -> Self {
        Self::over(store, Arc::new(upstream), config)
    }

    fn over(store: Store, source: Arc<dyn Source>, config: Config) -> Self {
        let downloads = Downloads::new(store.clone(), Arc::clone(&source), config.patience);
        let inner = Inner {
            store,
            source,
            config,
            allowances: Mutex::new(Allowances::new(config.limits)),
            quiet: Mutex::default(),
            sizes: Mutex::default(),
            downloads,
            manifests: Flights::new(),
            blobs: Flights::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// A refusal is recorded when this returns it, or when the stream breaks.
    pub async fn manifest(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        target: &Target,
    ) -> Result<content::Manifest, Problem> {
        let wanted = Wanted::Manifest(target.clone());
        let asked = Asked { host: host.clone(), name: name.clone(), target: wanted };
        self.inner
            .manifest(caller, &asked, target)
            .await
            .map_err(|failure| refuse(caller, &asked, &failure))
    }

    /// A part has to lie within the blob.
    pub async fn blob(
        &self,
        caller: &Caller,
        host: &Host,
        name: &RepositoryName,
        digest: Digest,
        extent: Extent,
    ) -> Result<content::Blob, Problem> {
        let wanted = Wanted::Blob(digest);
        let asked = Asked { host: host.clone(), name: name.clone(), target: wanted };
        self.inner
            .blob(caller, &asked, digest, extent)
            .await
            .map_err(|failure| refuse(caller, &asked, &failure))
    }
}

impl Default for Config {
    fn default() -> Self {
        let second = Duration::from_secs(1);
        Self {
            ages: Ages { fresh: 60 * second, rights: 24 * 60 * 60 * second, patience: 15 * second },
            // An image has some tens of layers, and a build some tens of images.
            limits: Limits {
                asks_per_minute: 1200,
                misses_per_minute: 120,
                asks_at_once: 16,
                downloads_at_once: 16,
            },
            patience: Patience {
                linger: 10 * second,
                resumes: 5,
                pause: second / 2,
                slowest: (64 << 10, 60 * second),
            },
            is_offline: false,
        }
    }
}

impl fmt::Debug for Mirror {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mirror").finish_non_exhaustive()
    }
}

/// Nothing panics while it is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
