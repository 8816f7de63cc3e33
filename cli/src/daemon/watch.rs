//! Waiting for a job's end.

use kiln_proto::v1;

use super::{Daemon, DaemonError};
use crate::record::Job;

impl Daemon {
    /// The record of a job once it has ended.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed, the next call sees the job as it is then.
    pub(crate) async fn ended(&self, id: &str) -> Result<Job, DaemonError> {
        let request = v1::WatchJobRequest { id: id.to_owned() };
        let mut changes = self.answer(self.jobs.clone().watch_job(request)).await?;
        while let Some(change) = changes.message().await.map_err(|status| self.error(&status))? {
            let job = self.present(change.job)?;
            if job.has_ended() {
                return Ok(job);
            }
        }
        // The stream ends with the job; what the last change did not say, the record does.
        let job = self.job(id).await?;
        if job.has_ended() {
            return Ok(job);
        }
        Err(DaemonError::Lost {
            socket: self.socket.clone(),
            cause: "it stopped telling how the job goes on".to_owned(),
        })
    }
}
