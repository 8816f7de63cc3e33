//! The host's registry, as one machine has it.

use std::fmt;

use async_trait::async_trait;
use tokio::net::UnixStream;

/// Whose it is was settled when it was made: nothing that a stream says counts.
#[async_trait]
pub(crate) trait GuestRegistry: fmt::Debug + Send + Sync {
    /// Serves one connection of the guest's, to its end.
    ///
    /// # Cancel safety
    /// Safe: the connection breaks.
    async fn serve(&self, stream: UnixStream);
}
