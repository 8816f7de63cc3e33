//! The client of registries outside: it pulls for the mirror, and pushes what the host verified.
//!
//! ```text
//! manifest, blob, push ─▶ operation: tries, waits, the limit of all of it
//!                            └▶ authorized: a cached token, else what a 401 asks for ─▶ credentials
//!                                 └▶ followed: redirects of GETs, none with credentials elsewhere
//!                                      └▶ polite: one wait for all while a host asks for it
//!                                           └▶ exchange ─▶ pool ─▶ dial: guard, TCP, TLS
//! ```
//!
//! Whatever a registry says is hostile: where it sends us is guarded like the registry itself, what it
//! answers is bounded, and a credential goes to the host that it belongs to and nowhere else.

mod access;
mod blob;
pub mod challenge;
mod config;
mod credentials;
mod dial;
mod exchange;
mod failure;
mod guard;
mod manifest;
mod operation;
mod pause;
mod pool;
mod push;
mod resolve;
pub mod retry_after;
mod route;
mod secret;
mod site;
mod tls;

use std::{fmt, sync::Arc, time::Duration};

use self::{access::Accesses, dial::Dialer, pause::Pauses, pool::Pool, tls::Tls};
pub use self::{
    blob::{Download, Presence},
    config::{Config, Limits},
    failure::{Failure, UpstreamError},
    guard::Guard,
    manifest::Fetched,
    push::{Placed, Source},
    resolve::{Resolve, SystemResolver},
};
use crate::{name::Host, registries::Registries};

/// Cheap to clone.
#[derive(Clone)]
pub struct Upstream(Arc<Inner>);

struct Inner {
    registries: Registries,
    limits: Limits,
    pool: Pool,
    pauses: Pauses,
    accesses: Accesses,
}

/// Who asks which registry: whose credentials are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub tenant: String,
    pub host: Host,
    /// Instead of [`Limits::operation`], where it is shorter: what is stored may serve as well.
    pub patience: Option<Duration>,
}

impl Session {
    pub fn new(tenant: impl Into<String>, host: Host) -> Self {
        Self { tenant: tenant.into(), host, patience: None }
    }

    #[must_use]
    pub fn within(self, patience: Duration) -> Self {
        Self { patience: Some(patience), ..self }
    }
}

impl Upstream {
    pub fn new(config: Config, resolve: Arc<dyn Resolve>) -> Self {
        let Config { registries, guard, limits } = config;
        let dialer = Dialer { resolve, guard, tls: Tls::default(), connect: limits.connect };
        let pool = Pool::new(dialer, limits.connections);
        let (pauses, accesses) = (Pauses::default(), Accesses::default());
        Self(Arc::new(Inner { registries, limits, pool, pauses, accesses }))
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").finish_non_exhaustive()
    }
}
