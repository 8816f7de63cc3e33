//! The registry of the host: its store, and where local clients find it.

use std::sync::Arc;

use crate::{
    config::{Config, NetworkConfig},
    home::Home,
    registry::{ListenError, Listening, Registryless, Service, ServiceError, ServiceParts},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum RegistryError {
    #[error("there is no registry to be had here; say --no-registry if there is to be none")]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Whoever connects waits until it is served.
pub(super) struct Taken {
    pub(super) service: Result<Arc<Service>, Registryless>,
    pub(super) listening: Option<Listening>,
}

/// `network` is that of guests, where they have one.
pub(super) async fn take(
    config: &Config,
    home: &Home,
    network: Option<&NetworkConfig>,
) -> Result<Taken, RegistryError> {
    let Some(registry) = &config.registry else {
        tracing::info!("the host has no registry, as --no-registry says");
        return Ok(Taken { service: Err(Registryless), listening: None });
    };
    let listening = match registry.listen {
        Some(address) => Some(Listening::bind(address, home.path(), home.instance()).await?),
        None => None,
    };
    let address = listening.as_ref().map(Listening::address);
    let directory = home.registry_directory();
    let parts = ServiceParts { directory, config: registry, network, address };
    let service = Service::open(parts).await?;
    match address {
        Some(address) => tracing::info!(%address, "the registry is there for local clients"),
        None => tracing::info!("the registry is there for guests alone"),
    }
    Ok(Taken { service: Ok(Arc::new(service)), listening })
}
