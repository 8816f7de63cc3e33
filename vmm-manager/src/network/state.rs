//! How networks are now, for who asks about the host.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use kiln_net::{
    plan::{Cidr, GuestLink},
    policy::Ceiling,
};
use tokio::sync::Mutex;

use super::{Networks, upstream::ResolveError};

/// How old what stands in the way may be: whoever asks often must not keep the helper from making
/// networks.
const RECENT: Duration = Duration::from_secs(1);

/// Why machines have no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Networkless {
    #[error("kilnd runs with --no-network")]
    Unwanted,
    #[error("kilnd runs without root, which it takes to make one")]
    WithoutRoot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetworkState {
    pub(crate) ceiling: Ceiling,
    pub(crate) pools: Vec<Cidr>,
    /// Machines' networks that are there: each has an address of either family.
    pub(crate) leases: usize,
    pub(crate) link: GuestLink,
    pub(crate) resolvers: Vec<SocketAddr>,
    /// In words, for the operator.
    pub(crate) troubles: Vec<String>,
}

/// What stood in the way when it was looked for last. Locked for one look, so that many who ask are
/// answered by one.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<Option<(Instant, Arc<[String]>)>>);

impl Networks {
    /// As they are now; of what cannot be found out, the troubles tell.
    ///
    /// # Cancel safety
    /// Safe: looking changes nothing.
    pub(crate) async fn state(&self) -> NetworkState {
        let mut troubles = self.recent_troubles().await.to_vec();
        let resolvers = match self.upstreams.servers() {
            Ok(servers) => servers.to_vec(),
            Err(error) => {
                troubles.push(in_words(&error));
                Vec::new()
            }
        };
        NetworkState {
            ceiling: self.ceiling.clone(),
            pools: self.config.pools.clone(),
            leases: self.leased().len(),
            link: self.config.link,
            resolvers,
            troubles,
        }
    }

    async fn recent_troubles(&self) -> Arc<[String]> {
        let mut latest = self.latest_troubles.0.lock().await;
        if let Some((when, troubles)) = &*latest
            && when.elapsed() < RECENT
        {
            return Arc::clone(troubles);
        }
        let troubles: Arc<[String]> = match self.troubles().await {
            Ok(troubles) => troubles.into(),
            Err(error) => {
                let error = error.in_words();
                tracing::warn!(error, "the host's networks are not looked at");
                [format!("the host's networks are not looked at: {error}")].into()
            }
        };
        *latest = Some((Instant::now(), Arc::clone(&troubles)));
        troubles
    }
}

fn in_words(error: &ResolveError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
