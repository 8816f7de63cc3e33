//! The log as an attached client reads it.

use tokio::time::Instant;
use tonic::Status;

use crate::{
    api::{jobs::JobApi, log::live_or_ended, status},
    log::{LogEvent, PinnedReader},
    store::JobHandle,
};

pub(super) enum Output {
    /// No log was seen yet.
    Awaited {
        offset: u64,
    },
    Read(PinnedReader),
    /// Read to its end, or there never was one.
    Over,
}

impl Output {
    pub(super) fn new(offset: u64) -> Self {
        Self::Awaited { offset }
    }

    /// The next event; `None` at the end, and never again after it.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
    pub(super) async fn next(
        &mut self,
        api: &JobApi,
        handle: &JobHandle,
    ) -> Result<Option<LogEvent>, Status> {
        if let Self::Awaited { offset } = *self {
            let log = match live_or_ended(handle).await {
                Some(log) => Some(log),
                None => api.closed_log(handle).await?,
            };
            let Some(log) = log else {
                *self = Self::Over;
                return Ok(None);
            };
            *self = Self::Read(log.pin(offset));
        }
        let event = match self {
            Self::Read(reader) => reader.next().await.map_err(|error| status::pinned(&error))?,
            Self::Awaited { .. } | Self::Over => return std::future::pending().await,
        };
        if event.is_none() {
            *self = Self::Over;
        }
        Ok(event)
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }

    /// The client is expected back.
    pub(super) fn hold(self, until: Instant) {
        if let Self::Read(reader) = self {
            reader.hold(until);
        }
    }
}
