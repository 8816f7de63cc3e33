//! `kiln.v1.BuildService`: what builds have beyond other jobs.

mod create;
mod list;
mod log;
mod ssh;
mod watch;

use std::sync::Arc;

use kiln_proto::v1::{self, build_service_server::BuildService};
use tonic::{Request, Response, Status, Streaming};

use super::{
    caller::Caller,
    incoming,
    jobs::{Answers, JobApi},
    outgoing::build as outgoing,
};
use crate::{
    job::{JobId, Work},
    store::JobHandle,
};

#[derive(Clone, Debug)]
pub struct BuildApi {
    /// A build is a job.
    jobs: JobApi,
}

impl BuildApi {
    pub fn new(jobs: JobApi) -> Self {
        Self { jobs }
    }

    /// Of this tenant, and a build.
    /// `at` is where the request has its id.
    async fn find(&self, caller: &Caller, at: &str, id: &str) -> Result<Arc<JobHandle>, Status> {
        let id: JobId = incoming::job_id(at, id)?;
        let handle = self.jobs.find(caller, &id).await?;
        match handle.spec().work {
            Work::Build(_) => Ok(handle),
            Work::Exec(_) | Work::Rootfs(_) | Work::Boot(_) => {
                Err(Status::not_found(format!("there is no build {id}: {id} is another job")))
            }
        }
    }
}

#[tonic::async_trait]
impl BuildService for BuildApi {
    type WatchBuildStream = Answers<v1::WatchBuildResponse>;
    type ReadBuildLogStream = Answers<v1::ReadBuildLogResponse>;
    type ServeSshStream = Answers<v1::ServeSshResponse>;

    async fn create_build(
        &self,
        request: Request<v1::CreateBuildRequest>,
    ) -> Result<Response<v1::CreateBuildResponse>, Status> {
        let caller = Caller::of(&request)?;
        let job = self.create(caller, request.into_inner()).await?;
        let build = Some(outgoing::build(&job, job.build.as_deref()));
        Ok(Response::new(v1::CreateBuildResponse { build }))
    }

    async fn get_build(
        &self,
        request: Request<v1::GetBuildRequest>,
    ) -> Result<Response<v1::GetBuildResponse>, Status> {
        let caller = Caller::of(&request)?;
        let handle = self.find(&caller, "id", &request.get_ref().id).await?;
        let build = Some(watch::whole(&handle).await);
        Ok(Response::new(v1::GetBuildResponse { build }))
    }

    async fn list_builds(
        &self,
        request: Request<v1::ListBuildsRequest>,
    ) -> Result<Response<v1::ListBuildsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let page = incoming::page_of_builds(request.into_inner())?;
        Ok(Response::new(self.list(&caller, page).await?))
    }

    async fn watch_build(
        &self,
        request: Request<v1::WatchBuildRequest>,
    ) -> Result<Response<Self::WatchBuildStream>, Status> {
        let caller = Caller::of(&request)?;
        let handle = self.find(&caller, "id", &request.get_ref().id).await?;
        Ok(Response::new(watch::watch(handle)))
    }

    async fn read_build_log(
        &self,
        request: Request<v1::ReadBuildLogRequest>,
    ) -> Result<Response<Self::ReadBuildLogStream>, Status> {
        let caller = Caller::of(&request)?;
        let v1::ReadBuildLogRequest { id, offset, follow } = request.into_inner();
        let reading = self.jobs.parts.outputs.reading(&incoming::job_id("id", &id)?);
        let handle = self.find(&caller, "id", &id).await?;
        Ok(Response::new(self.log(handle, offset, follow, reading)))
    }

    async fn cancel_build(
        &self,
        request: Request<v1::CancelBuildRequest>,
    ) -> Result<Response<v1::CancelBuildResponse>, Status> {
        let caller = Caller::of(&request)?;
        let handle = self.find(&caller, "id", &request.get_ref().id).await?;
        let job = self.jobs.cancel(handle).await?;
        let build = Some(outgoing::build(&job, job.build.as_deref()));
        Ok(Response::new(v1::CancelBuildResponse { build }))
    }

    async fn serve_ssh(
        &self,
        request: Request<Streaming<v1::ServeSshRequest>>,
    ) -> Result<Response<Self::ServeSshStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.ssh(&caller, request.into_inner()).await?))
    }
}
