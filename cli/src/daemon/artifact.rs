//! What builds have left behind.

use kiln_proto::v1;
use tonic::Streaming;

use super::{Daemon, DaemonError};

impl Daemon {
    pub(crate) async fn artifacts(&self, job: &str) -> Result<Vec<v1::Artifact>, DaemonError> {
        let request = v1::ListArtifactsRequest { job_id: job.to_owned() };
        let call =
            async || self.answer(self.artifacts.clone().list_artifacts(request.clone())).await;
        let v1::ListArtifactsResponse { artifacts } = self.persist(call).await?;
        Ok(artifacts)
    }

    /// Without a limit: kilnd may read all of it for its digest.
    pub(crate) async fn artifact(
        &self,
        job: &str,
        name: &str,
    ) -> Result<v1::Artifact, DaemonError> {
        let request = v1::StatArtifactRequest { job_id: job.to_owned(), name: name.to_owned() };
        let call = async || {
            let answer = self.artifacts.clone().stat_artifact(request.clone()).await;
            answer.map_err(|status| self.error(&status))
        };
        let v1::StatArtifactResponse { artifact } = self.persist(call).await?.into_inner();
        artifact.ok_or_else(|| self.malformed("artifact"))
    }

    pub(crate) async fn download_artifact(
        &self,
        request: v1::DownloadArtifactRequest,
    ) -> Result<Streaming<v1::DownloadArtifactResponse>, DaemonError> {
        self.answer(self.artifacts.clone().download_artifact(request)).await
    }
}
