//! `kiln.v1.ArtifactService`: what builds and jobs have left behind, as files.

mod download;
mod memory;
#[cfg(test)]
mod tests;
mod turns;

use std::sync::Arc;

use kiln_proto::v1::{self, artifact_service_server::ArtifactService};
use tonic::{Request, Response, Status};

use self::memory::Digests;
use super::{
    caller::Caller,
    images::status::operate,
    incoming,
    jobs::Answers,
    status::{self, words},
};
use crate::{
    build::artifact::{self, Artifact, ArtifactError, Body},
    job::{Job, JobId},
    output::Outputs,
    registry::{Registryless, Service},
    store::Store,
};

/// What the API is made of.
#[derive(Clone, Debug)]
pub struct ArtifactApiParts {
    pub store: Arc<Store>,
    pub outputs: Outputs,
    /// Or why there is none.
    pub registry: Result<Arc<Service>, Registryless>,
}

#[derive(Clone, Debug)]
pub struct ArtifactApi {
    parts: Arc<ArtifactApiParts>,
    digests: Arc<Digests>,
}

impl ArtifactApi {
    pub fn new(parts: ArtifactApiParts) -> Self {
        Self { parts: Arc::new(parts), digests: Arc::default() }
    }

    /// As it is now; of whoever calls.
    async fn job(&self, caller: &Caller, id: &str) -> Result<Job, Status> {
        let id: JobId = incoming::job_id("job_id", id)?;
        let found = self.parts.store.find(&caller.tenant, &id).await;
        let found = found.map_err(|error| status::store(&error))?;
        let handle = found.ok_or_else(|| Status::not_found(format!("there is no job {id}")))?;
        Ok(handle.snapshot())
    }

    async fn find(&self, job: &Job, name: &str) -> Result<Artifact, Status> {
        let found = artifact::find(self.registry(), job, name).await;
        if let Some(artifact) = found.map_err(|error| failed(&error))? {
            return Ok(artifact);
        }
        let id = &job.id;
        Err(if job.has_ended() {
            let name = kiln_registry::problem::escaped(name, 128);
            Status::not_found(format!("job {id} has left no {name}; list its artifacts"))
        } else {
            Status::failed_precondition(format!(
                "job {id} has not ended, and its artifacts come last; watch it, then read"
            ))
        })
    }

    fn registry(&self) -> Option<&Service> {
        self.parts.registry.as_deref().ok()
    }
}

#[tonic::async_trait]
impl ArtifactService for ArtifactApi {
    type DownloadArtifactStream = Answers<v1::DownloadArtifactResponse>;

    async fn list_artifacts(
        &self,
        request: Request<v1::ListArtifactsRequest>,
    ) -> Result<Response<v1::ListArtifactsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let v1::ListArtifactsRequest { job_id } = request.into_inner();
        let job = self.job(&caller, &job_id).await?;
        let artifacts = artifact::list(self.registry(), &job).await;
        let artifacts = artifacts.map_err(|error| failed(&error))?;
        let artifacts = artifacts.into_iter().map(outgoing).collect();
        Ok(Response::new(v1::ListArtifactsResponse { artifacts }))
    }

    async fn stat_artifact(
        &self,
        request: Request<v1::StatArtifactRequest>,
    ) -> Result<Response<v1::StatArtifactResponse>, Status> {
        let caller = Caller::of(&request)?;
        let v1::StatArtifactRequest { job_id, name } = request.into_inner();
        let job = self.job(&caller, &job_id).await?;
        let mut artifact = self.find(&job, &name).await?;
        if let Body::Tar(plan) = &artifact.body {
            let digest = self.digests.of(&caller.tenant, &job.id, &name, plan).await;
            let digest = digest.map_err(|error| download::unreadable(&name, &error))?;
            artifact.digest = Some(digest.to_string());
        }
        Ok(Response::new(v1::StatArtifactResponse { artifact: Some(outgoing(artifact)) }))
    }

    async fn download_artifact(
        &self,
        request: Request<v1::DownloadArtifactRequest>,
    ) -> Result<Response<Self::DownloadArtifactStream>, Status> {
        let caller = Caller::of(&request)?;
        let asked = request.into_inner();
        let id = incoming::job_id("job_id", &asked.job_id)?;
        // Counted before the look at the record: see `Outputs::reading`.
        let reading = self.parts.outputs.reading(&id);
        let job = self.job(&caller, &asked.job_id).await?;
        let artifact = self.find(&job, &asked.name).await?;
        let range = download::Range::of(&asked, artifact.size_bytes)?;
        let outputs = &self.parts.outputs;
        let stream = download::download(outputs, &job.id, artifact, range, reading).await?;
        Ok(Response::new(stream))
    }
}

fn outgoing(artifact: Artifact) -> v1::Artifact {
    let Artifact { name, media_type, size_bytes, digest, image_digest, body } = artifact;
    v1::Artifact {
        name,
        media_type: media_type.to_owned(),
        size_bytes,
        digest: digest.unwrap_or_default(),
        image_digest: image_digest.unwrap_or_default(),
        expired: matches!(body, Body::Expired),
    }
}

fn failed(error: &ArtifactError) -> Status {
    match error {
        ArtifactError::NoForm { .. } | ArtifactError::Registryless => {
            Status::failed_precondition(words(error))
        }
        ArtifactError::Failed(_) => Status::internal(words(error)),
        ArtifactError::Image(error) => operate(error),
    }
}
