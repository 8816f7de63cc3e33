//! Connections to endpoints and to the registry, each on a connection of its own to the gateway.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use kiln_net::control::Opening;
use tokio::{
    io::{AsyncWriteExt as _, copy_bidirectional},
    net::{TcpStream, UnixStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::registry::GuestRegistry;
use crate::host;

/// Of one machine, at once.
const STREAMS: usize = 128;
/// Likewise, to the registry: clients take a handful each.
const REGISTRY_STREAMS: usize = 64;
/// For an endpoint to take a connection.
const DIAL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug)]
pub(super) struct Streams {
    socket: PathBuf,
    end: CancellationToken,
    tasks: TaskTracker,
    room: Arc<Semaphore>,
    registry_room: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error("{STREAMS} streams are open already")]
    Full,
    #[error("{REGISTRY_STREAMS} connections to the registry are open already")]
    RegistryFull,
    #[error("the endpoint takes no connection within {DIAL:?}")]
    Silent,
    #[error("the endpoint takes no connection")]
    Endpoint(#[source] io::Error),
    #[error("the gateway takes no stream")]
    Gateway(#[source] io::Error),
}

impl Streams {
    pub(super) fn new(socket: PathBuf, end: CancellationToken, tasks: TaskTracker) -> Self {
        let (room, registry_room) = (Semaphore::new(STREAMS), Semaphore::new(REGISTRY_STREAMS));
        let (room, registry_room) = (Arc::new(room), Arc::new(registry_room));
        Self { socket, end, tasks, room, registry_room }
    }

    /// Connects both ends; what flows between them from then on is nobody's to look at.
    ///
    /// # Cancel safety
    /// Safe: a connection that is not whole is closed.
    pub(super) async fn open(&self, id: u64, address: SocketAddr) -> Result<(), StreamError> {
        let permit = Arc::clone(&self.room).try_acquire_owned().map_err(|_| StreamError::Full)?;
        let endpoint = timeout(DIAL, TcpStream::connect(address)).await;
        let endpoint = endpoint.map_err(|_| StreamError::Silent)?.map_err(StreamError::Endpoint)?;
        let gateway = self.announce(id).await.map_err(StreamError::Gateway)?;
        let carried = carry(endpoint, gateway, permit);
        self.tasks.spawn(self.end.clone().run_until_cancelled_owned(carried));
        Ok(())
    }

    /// The registry itself is the other end.
    ///
    /// # Cancel safety
    /// Safe: a connection that is not served is closed.
    pub(super) async fn open_registry(
        &self,
        id: u64,
        registry: Arc<dyn GuestRegistry>,
    ) -> Result<(), StreamError> {
        let permit = Arc::clone(&self.registry_room).try_acquire_owned();
        let permit = permit.map_err(|_| StreamError::RegistryFull)?;
        let gateway = self.announce(id).await.map_err(StreamError::Gateway)?;
        let served = async move {
            registry.serve(gateway).await;
            drop(permit);
        };
        self.tasks.spawn(self.end.clone().run_until_cancelled_owned(served));
        Ok(())
    }

    async fn announce(&self, id: u64) -> io::Result<UnixStream> {
        let mut gateway = host::connect(&self.socket).await?;
        let mut line = serde_json::to_vec(&Opening::Stream { id })?;
        line.push(b'\n');
        gateway.write_all(&line).await?;
        Ok(gateway)
    }
}

/// Until both directions are over, or one end breaks.
async fn carry(mut endpoint: TcpStream, mut gateway: UnixStream, _room: OwnedSemaphorePermit) {
    // Small words come as they were said; without this they only come later.
    let _ = endpoint.set_nodelay(true);
    if let Err(error) = copy_bidirectional(&mut endpoint, &mut gateway).await {
        tracing::debug!(%error, "a stream to an endpoint has broken off");
    }
}
