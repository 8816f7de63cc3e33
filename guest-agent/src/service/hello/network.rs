//! The guest's network, which it gets once.

use std::{error::Error, time::Duration};

use kiln_proto::agent::v1;
use tokio::{sync::OnceCell, time::timeout};
use tonic::Status;

use crate::{
    exec::Engine,
    network::{self, Network, NetworkError},
    offload::offload,
    registry::{self, Registry},
};

/// Above what a device may take to appear.
const LIMIT: Duration = Duration::from_secs(15);

/// As the host says it, checked.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    network: Network,
    registry: Option<Registry>,
}

/// What a job has made of its network by the next hello is not undone.
#[derive(Debug, Default)]
pub(crate) struct OnceNetwork(OnceCell<()>);

impl TryFrom<v1::Network> for Announced {
    type Error = Status;

    fn try_from(mut wire: v1::Network) -> Result<Self, Status> {
        let registry = std::mem::take(&mut wire.registry);
        let invalid = |error: &dyn Error| Status::invalid_argument(error.to_string());
        let network = Network::try_from(wire).map_err(|error| invalid(&error))?;
        let registry = Some(registry).filter(|registry| !registry.is_empty());
        let registry = registry.map(|registry| Registry::new(registry, &network)).transpose();
        Ok(Self { network, registry: registry.map_err(|error| invalid(&error))? })
    }
}

impl OnceNetwork {
    /// One that failed is tried again by the next hello.
    pub(super) async fn set_up(&self, announced: Announced, engine: &Engine) -> Result<(), Status> {
        self.0.get_or_try_init(|| set_up(announced, engine)).await.map(|&()| ())
    }
}

async fn set_up(announced: Announced, engine: &Engine) -> Result<(), Status> {
    let Announced { network, registry } = announced;
    let name = registry.as_ref().map(|registry| registry.name.clone());
    let work = offload("network", move || {
        network::set_up(&network).map_err(|error| status(&error))?;
        registry.map_or(Ok(()), registry::set_up).map_err(|error| Status::internal(chain(&error)))
    });
    let done = timeout(LIMIT, work)
        .await
        .map_err(|_| Status::internal(format!("the network was not set up within {LIMIT:?}")))?;
    done.map_err(|error| Status::internal(format!("nobody can set up the network: {error}")))??;
    if let Some(name) = name {
        engine.tell_of_registry(name);
    }
    Ok(())
}

fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn status(error: &NetworkError) -> Status {
    let message = chain(error);
    match error {
        NetworkError::NoDevice { .. } => Status::not_found(message),
        NetworkError::Devices(_)
        | NetworkError::Netlink(_)
        | NetworkError::Refused { .. }
        | NetworkError::Write { .. } => Status::internal(message),
    }
}
