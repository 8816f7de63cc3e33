//! The networks of machines: what the host has for them, before the first one.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::{
    admission,
    config::Config,
    host::network::{ByHelper, NetworkError},
    network::{Networkless, Networks, NetworksParts},
    vmm::{Jailed, JailedError},
};

#[derive(Debug, thiserror::Error)]
pub(super) enum NetworksError {
    #[error("guests can have no network here; say --no-network if they are to have none")]
    Prepare(#[source] NetworkError),
    #[error(
        "the gateway of guests' networks cannot be started; say --no-network if they are to have none"
    )]
    Gateway(#[from] JailedError),
}

/// Or why guests are to have none, or can't be given any.
pub(super) type Taken = Result<Arc<Networks>, Networkless>;

pub(super) async fn take(config: &Config) -> Result<Taken, NetworksError> {
    let Some(network) = config.network.clone() else {
        tracing::info!("guests have no networks, as --no-network says");
        return Ok(Err(Networkless::Unwanted));
    };
    let prepared = spawn_blocking(ByHelper::prepare).await;
    let prepared = prepared.unwrap_or_else(|error| {
        let what = "the preparation of networks".to_owned();
        Err(NetworkError::Failed { what, source: error.into() })
    });
    let Some(kernel) = prepared.map_err(NetworksError::Prepare)? else {
        return Ok(Err(Networkless::WithoutRoot));
    };
    let program = Jailed::find(&config.drivers.gateway).await?;
    let pools: Vec<_> = network.pools.iter().map(ToString::to_string).collect();
    let networks = Networks::new(NetworksParts {
        kernel: Arc::new(kernel),
        config: network,
        ceiling: config.egress.ceiling.clone(),
        endpoints: config.egress.endpoints.clone(),
        registry: config.registry.is_some(),
        program,
        users: config.vm_users,
    });
    match networks.troubles().await {
        Ok(troubles) => {
            for trouble in troubles {
                tracing::warn!(trouble, "networks of guests may not work");
            }
        }
        Err(error) => {
            tracing::warn!(error = error.in_words(), "the host's networks are not looked at");
        }
    }
    tracing::info!(pools = pools.join(" "), "guests have networks, shut until a job opens one");
    Ok(Ok(Arc::new(networks)))
}

/// What jobs may ask for.
pub(super) fn admitted(networks: &Taken) -> admission::Network {
    match networks {
        Ok(networks) => admission::Network::UpTo(networks.ceiling().clone()),
        Err(_) => admission::Network::Absent,
    }
}
