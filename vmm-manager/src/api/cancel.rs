//! `CancelJob`.

use std::{sync::Arc, time::Duration};

use tonic::Status;

use super::{jobs::JobApi, status};
use crate::{
    job::Job,
    store::{CommitError, JobHandle},
};

/// A store that can't write for so long says why.
const LIMIT: Duration = Duration::from_secs(10);

impl JobApi {
    /// Answers when the wish is durable: a kilnd that is killed right after it ends the job too.
    pub(super) async fn cancel(&self, handle: Arc<JobHandle>) -> Result<Job, Status> {
        if !handle.has_ended() {
            match handle.request_cancel().within(LIMIT).await {
                // It has ended meanwhile.
                Ok(()) | Err(CommitError::Illegal(_)) => {}
                Err(error) => return Err(status::commit(error, &self.parts.store.health())),
            }
        }
        Ok(handle.snapshot())
    }
}
