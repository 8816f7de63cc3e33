//! What is taken, of what may be.

use super::{Store, StoreError, inner::Inner, quota::Payer, table};
use crate::repository::Space;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// In the tenant's own repositories, each content once.
    pub stored: u64,
    /// Of uploads and downloads that are not finished.
    pub in_flight: u64,
    pub limit: u64,
}

impl Store {
    pub async fn usage(&self, tenant: &str) -> Result<Usage, StoreError> {
        let tenant = tenant.to_owned();
        self.run(move |inner| {
            let space = Space::Local { tenant: tenant.clone() };
            let stored = inner.readers.read(|connection| {
                Ok(match table::account(connection, &space)? {
                    Some(account) => table::counted(connection, account)?,
                    None => 0,
                })
            })?;
            let in_flight = inner.flight.of(&Payer::Tenant(tenant));
            Ok(Usage { stored, in_flight, limit: inner.limits.tenant_bytes })
        })
        .await
    }

    /// Of what was brought from registries outside.
    pub async fn mirror_usage(&self) -> Result<Usage, StoreError> {
        self.run(move |inner| {
            let stored = mirrored(inner)?;
            let in_flight = inner.flight.of(&Payer::Mirrors) + inner.downloads.kept();
            Ok(Usage { stored, in_flight, limit: inner.limits.mirror_bytes })
        })
        .await
    }
}

pub(super) fn mirrored(inner: &Inner) -> Result<u64, StoreError> {
    inner.readers.read(|connection| Ok(table::counted(connection, table::MIRRORS)?))
}
