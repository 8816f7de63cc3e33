//! Waiting for a job's end.

use kiln_proto::v1;
use tonic::Streaming;

use super::{Daemon, DaemonError, Patience};
use crate::record::Job;

impl Daemon {
    /// The record of a job once it has ended, whatever becomes of kilnd meanwhile.
    ///
    /// # Cancel safety
    /// Safe: nothing is consumed, the next call sees the job as it is then.
    pub(crate) async fn ended(&self, id: &str) -> Result<Job, DaemonError> {
        let mut patience = self.patience();
        loop {
            match self.watch(id, &mut patience).await {
                Err(error) => patience.endure(error).await?,
                ended => return ended,
            }
        }
    }

    /// A job as it is now, then at each change.
    pub(crate) async fn changes(
        &self,
        id: &str,
    ) -> Result<Streaming<v1::WatchJobResponse>, DaemonError> {
        let request = v1::WatchJobRequest { id: id.to_owned() };
        self.answer(self.jobs.clone().watch_job(request)).await
    }

    async fn watch(&self, id: &str, patience: &mut Patience) -> Result<Job, DaemonError> {
        let mut changes = self.changes(id).await?;
        while let Some(change) = changes.message().await.map_err(|status| self.error(&status))? {
            patience.restore();
            let job = self.present(change.job)?;
            if job.has_ended() {
                return Ok(job);
            }
        }
        // The stream ends with the job; what the last change did not say, the record does.
        let job = self.job(id).await?;
        if job.has_ended() { Ok(job) } else { Err(self.cut_short("the watch of the job")) }
    }
}
