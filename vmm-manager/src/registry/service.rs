//! What the daemon's registry is made of, and for whom it is there.

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use kiln_registry::{
    caller::{Caller, Writes},
    mirror::{self, Mirror},
    name::Host,
    operate::{self, Images},
    record::{Ledger, Material, Refusal},
    registry::{Registry, Via},
    store::{Limits, Store, StoreError},
    upstream::{self, Upstream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::spawn_blocking,
};

use super::{
    address::guard,
    reach::{self, Operator},
    resolve::resolver,
};
use crate::{
    api::LOCAL_TENANT,
    config::{NetworkConfig, RegistryConfig},
};

/// One for all of the daemon's machines and clients.
#[derive(Debug)]
pub struct Service {
    store: Store,
    registry: Registry,
    images: Images,
    pub(super) operator: Arc<Operator>,
    pub(super) is_offline: bool,
    /// Where clients on this host find it.
    address: Option<SocketAddr>,
    /// Whether machines have networks, and so a way to it.
    pub(super) is_guests: bool,
    /// Below the home.
    pub(super) directory: PathBuf,
}

/// What it is made with.
#[derive(Debug)]
pub struct ServiceParts<'a> {
    /// Its own, and nobody else's.
    pub directory: PathBuf,
    pub config: &'a RegistryConfig,
    /// Of guests, where they have networks.
    pub network: Option<&'a NetworkConfig>,
    /// Where somebody listens for it.
    pub address: Option<SocketAddr>,
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    #[error("the registry's store below {} cannot be used", path.display())]
    Store { path: PathBuf, source: StoreError },
    #[error("the disk below {} could not be measured", path.display())]
    Disk { path: PathBuf, source: io::Error },
}

impl Service {
    /// Opens the store, and heals what a crash has left in it.
    pub async fn open(parts: ServiceParts<'_>) -> Result<Self, ServiceError> {
        let ServiceParts { directory, config, network, address } = parts;
        let limits = limits(&directory, config)?;
        let path = directory.clone();
        let opened = spawn_blocking(move || Store::open(&path, limits)).await;
        let opened = opened.unwrap_or(Err(StoreError::Closed));
        let store =
            opened.map_err(|source| ServiceError::Store { path: directory.clone(), source })?;
        let upstream = Upstream::new(
            upstream::Config {
                registries: config.registries.clone(),
                guard: guard(network),
                limits: upstream::Limits::default(),
            },
            resolver(network.map(|network| &network.resolvers)),
        );
        let usual = mirror::Config::default();
        let ages = mirror::Ages { rights: config.rights_age, ..usual.ages };
        let mirroring = mirror::Config { ages, is_offline: config.offline, ..usual };
        let mirror = Mirror::new(store.clone(), upstream.clone(), mirroring);
        let registry = Registry::new(store.clone(), Arc::new(mirror.clone()));
        let operating =
            operate::Config { rights_age: config.rights_age, is_offline: config.offline };
        let images = Images::new(store.clone(), mirror, upstream, operating);
        let operator =
            Operator { registries: config.registries.clone(), mirrors: config.mirrors.clone() };
        Ok(Self {
            store,
            registry,
            images,
            operator: Arc::new(operator),
            is_offline: config.offline,
            address,
            is_guests: network.is_some(),
            directory,
        })
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What people do with images, in a tenant's name.
    pub fn images(&self) -> &Images {
        &self.images
    }

    /// Registries that every job with a network may pull from.
    pub fn mirrors(&self) -> &[Host] {
        &self.operator.mirrors
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Where clients on this host find it, if they do.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Of a client on this host, by whatever way it came.
    pub fn local_caller(&self) -> Caller {
        Caller {
            tenant: LOCAL_TENANT.to_owned(),
            job: None,
            outside: reach::of_local_client(),
            writes: Writes::All,
            ledger: Arc::new(Told),
        }
    }

    /// Of a tenant whose images this host pushes or brings, because it said where to, or from where.
    pub(crate) fn caller_of(&self, tenant: &str) -> Caller {
        Caller { tenant: tenant.to_owned(), ..self.local_caller() }
    }

    /// Serves a connection of such a client, to its end.
    pub(super) async fn serve_local<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        self.registry.serve(stream, self.local_caller(), Via::Loopback).await;
    }
}

fn limits(directory: &Path, config: &RegistryConfig) -> Result<Limits, ServiceError> {
    let measured = |source: rustix::io::Errno| ServiceError::Disk {
        path: directory.to_owned(),
        source: source.into(),
    };
    let disk = rustix::fs::statvfs(directory).map_err(measured)?;
    let tenth = disk.f_blocks.saturating_mul(disk.f_frsize) / 10;
    Ok(Limits {
        tenant_bytes: config.quota_bytes.unwrap_or(tenth),
        mirror_bytes: config.mirrored_bytes.unwrap_or(tenth),
        ..Limits::default()
    })
}

/// No record of anything is kept of local clients: they are nobody's build.
#[derive(Debug)]
struct Told;

impl Ledger for Told {
    fn served(&self, material: Material) {
        tracing::debug!(?material, "served to a local client");
    }

    fn refused(&self, refusal: Refusal) {
        tracing::debug!(?refusal, "refused to a local client");
    }
}
