//! How the registry is now, for who asks about the host.

use std::net::SocketAddr;

use kiln_net::control::{REGISTRY_NAME, REGISTRY_PORT};
use kiln_registry::store::{StoreError, Usage};

use super::Service;

/// Why a host has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("kilnd runs with --no-registry")]
pub struct Registryless;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegistryState {
    pub(crate) address: Option<SocketAddr>,
    /// `HOST:PORT` in guests that have a network.
    pub(crate) guest_address: Option<String>,
    pub(crate) mirrored_bytes: u64,
    pub(crate) most_mirrored_bytes: u64,
    /// Of one tenant's own, with what it is sending.
    pub(crate) used_bytes: u64,
    pub(crate) quota_bytes: u64,
    pub(crate) is_offline: bool,
    /// In words, for the operator.
    pub(crate) troubles: Vec<String>,
}

impl Service {
    /// As this tenant sees it; of what cannot be found out, the troubles tell.
    ///
    /// # Cancel safety
    /// Safe: looking changes nothing.
    pub(crate) async fn state(&self, tenant: &str) -> RegistryState {
        let mut troubles = Vec::new();
        let mut known = |usage: Result<Usage, StoreError>| {
            usage.map_err(|error| troubles.push(in_words(&error))).ok()
        };
        let mirrored = known(self.store().mirror_usage().await);
        let own = known(self.store().usage(tenant).await);
        if let (Some(mirrored), Some(own)) = (mirrored, own) {
            troubles.extend(self.shortage(growth(mirrored).saturating_add(growth(own))));
        }
        let count = |usage: Option<Usage>| {
            usage.map_or((0, 0), |Usage { stored, in_flight, limit }| (stored + in_flight, limit))
        };
        let (mirrored_bytes, most_mirrored_bytes) = count(mirrored);
        let (used_bytes, quota_bytes) = count(own);
        RegistryState {
            address: self.address(),
            guest_address: self.is_guests.then(|| format!("{REGISTRY_NAME}:{REGISTRY_PORT}")),
            mirrored_bytes,
            most_mirrored_bytes,
            used_bytes,
            quota_bytes,
            is_offline: self.is_offline,
            troubles,
        }
    }

    /// How much more it may come to hold; what it holds is no more free to others than that.
    pub(crate) async fn may_grow(&self, tenant: &str) -> Result<u64, StoreError> {
        let mirrored = self.store().mirror_usage().await?;
        let own = self.store().usage(tenant).await?;
        Ok(growth(mirrored).saturating_add(growth(own)))
    }

    fn shortage(&self, growth: u64) -> Option<String> {
        let disk = match rustix::fs::statvfs(&self.directory) {
            Ok(disk) => disk,
            Err(error) => return Some(format!("its disk cannot be measured: {error}")),
        };
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        (free < growth).then(|| {
            format!(
                "it may still grow by {} MiB, and {} MiB are free on its disk: lower \
                 --registry-size or --registry-quota, or make room",
                growth >> 20,
                free >> 20
            )
        })
    }
}

fn growth(Usage { stored, in_flight, limit }: Usage) -> u64 {
    limit.saturating_sub(stored).saturating_sub(in_flight)
}

fn in_words(error: &StoreError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
