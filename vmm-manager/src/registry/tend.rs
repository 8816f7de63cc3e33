//! What nobody needs any more goes, once in a while, while others push and pull.

use std::time::Duration;

use kiln_registry::store::Collected;
use tokio::time::sleep;

use super::Service;

const PERIOD: Duration = Duration::from_secs(300);

impl Service {
    /// For ever. A collection that fails is tried again at its next time.
    ///
    /// # Cancel safety
    /// Safe: a collection that is under way comes to its end, or the next start's does.
    pub async fn tend(&self) -> std::convert::Infallible {
        loop {
            sleep(PERIOD).await;
            match self.store().collect().await {
                Ok(Collected { blobs: 0, .. }) => {}
                Ok(Collected { blobs, bytes }) => {
                    tracing::info!(blobs, bytes, "what nothing names any more is gone");
                }
                Err(error) => tracing::error!(%error, "the registry could not be tidied"),
            }
        }
    }
}
