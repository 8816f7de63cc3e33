//! The guest's network, which it gets once.

use std::time::Duration;

use kiln_proto::agent::v1;
use tokio::{sync::OnceCell, time::timeout};
use tonic::Status;

use crate::{
    network::{self, Network, NetworkError},
    offload::offload,
};

/// Above what a device may take to appear.
const LIMIT: Duration = Duration::from_secs(15);

/// As the host says it, checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced(Network);

/// What a job has made of its network by the next hello is not undone.
#[derive(Debug, Default)]
pub(crate) struct OnceNetwork(OnceCell<()>);

impl TryFrom<v1::Network> for Announced {
    type Error = Status;

    fn try_from(network: v1::Network) -> Result<Self, Status> {
        let network = Network::try_from(network);
        network.map(Self).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

impl OnceNetwork {
    /// One that failed is tried again by the next hello.
    pub(super) async fn set_up(&self, announced: Announced) -> Result<(), Status> {
        self.0.get_or_try_init(|| set_up(announced)).await.map(|&()| ())
    }
}

async fn set_up(Announced(network): Announced) -> Result<(), Status> {
    let work = offload("network", move || network::set_up(&network));
    let done = timeout(LIMIT, work)
        .await
        .map_err(|_| Status::internal(format!("the network was not set up within {LIMIT:?}")))?;
    let done =
        done.map_err(|error| Status::internal(format!("nobody can set up the network: {error}")))?;
    done.map_err(|error| status(&error))
}

fn status(error: &NetworkError) -> Status {
    let mut message = error.to_string();
    if let Some(source) = std::error::Error::source(error) {
        message = format!("{message}: {source}");
    }
    match error {
        NetworkError::NoDevice { .. } => Status::not_found(message),
        NetworkError::Devices(_)
        | NetworkError::Netlink(_)
        | NetworkError::Refused { .. }
        | NetworkError::Write { .. } => Status::internal(message),
    }
}
