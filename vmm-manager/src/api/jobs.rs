//! `kiln.v1.JobService`: who calls, and which call it is.

use std::{path::PathBuf, sync::Arc};

use kiln_proto::v1::{self, job_service_server::JobService};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{
    caller::Caller,
    incoming::{self, Page},
    outgoing, status, watch,
};
use crate::{
    job::JobId,
    output::Outputs,
    scheduler::Scheduler,
    source::Sources,
    store::{JobHandle, Store},
};

/// Answers in flight to one reader.
const DEPTH: usize = 4;

/// What the API is made of.
#[derive(Clone, Debug)]
pub struct JobApiParts {
    pub scheduler: Arc<Scheduler>,
    pub store: Arc<Store>,
    pub sources: Sources,
    pub outputs: Outputs,
    /// In which each job has a directory, with its log.
    pub jobs: PathBuf,
    /// Of the outputs of all ended jobs together: no job may ask for more.
    pub most_output_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct JobApi {
    pub(super) parts: Arc<JobApiParts>,
}

pub(super) type Answers<T> = ReceiverStream<Result<T, Status>>;

/// The two ends of a stream of answers: a client that does not read holds up its call alone.
pub(super) fn answers<T>() -> (mpsc::Sender<Result<T, Status>>, Answers<T>) {
    let (answers, receiver) = mpsc::channel(DEPTH);
    (answers, ReceiverStream::new(receiver))
}

impl JobApi {
    pub fn new(parts: JobApiParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    pub(super) async fn find(&self, caller: &Caller, id: &JobId) -> Result<Arc<JobHandle>, Status> {
        let found = self.parts.store.find(&caller.tenant, id).await;
        found
            .map_err(|error| status::store(&error))?
            .ok_or_else(|| Status::not_found(format!("there is no job {id}")))
    }

    pub(super) fn directory(&self, job: &JobId) -> PathBuf {
        self.parts.jobs.join(job.as_str())
    }
}

#[tonic::async_trait]
impl JobService for JobApi {
    type WatchJobStream = Answers<v1::WatchJobResponse>;
    type ReadLogStream = Answers<v1::ReadLogResponse>;
    type AttachJobStream = Answers<v1::AttachJobResponse>;
    type ExecInJobStream = Answers<v1::ExecInJobResponse>;
    type ReadOutputStream = Answers<v1::ReadOutputResponse>;

    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        let job = self.create(caller, request.into_inner()).await?;
        Ok(Response::new(v1::CreateJobResponse { job: Some(outgoing::job(&job)) }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = incoming::job_id("id", &request.get_ref().id)?;
        let handle = self.find(&caller, &id).await?;
        let job = Some(outgoing::whole_job(&handle.look().await));
        Ok(Response::new(v1::GetJobResponse { job }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let Page { project, after, size } = incoming::page(request.into_inner())?;
        // One more than asked for tells whether there is a next page.
        let jobs =
            self.parts.store.list(&caller.tenant, project.as_deref(), after.as_ref(), size + 1);
        let mut jobs = jobs.await.map_err(|error| status::store(&error))?;
        let more = jobs.len() > size;
        jobs.truncate(size);
        let last = jobs.last().filter(|_| more);
        let next_page_token = last.map(|job| job.id.to_string()).unwrap_or_default();
        let jobs = jobs.iter().map(outgoing::listed_job).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let caller = Caller::of(&request)?;
        let id = incoming::job_id("id", &request.get_ref().id)?;
        Ok(Response::new(watch::watch(self.find(&caller, &id).await?)))
    }

    async fn read_log(
        &self,
        request: Request<v1::ReadLogRequest>,
    ) -> Result<Response<Self::ReadLogStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.log(&caller, request.into_inner()).await?))
    }

    async fn find_source(
        &self,
        request: Request<v1::FindSourceRequest>,
    ) -> Result<Response<v1::FindSourceResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(JobApi::find_source(self, &caller, request.into_inner())?))
    }

    async fn attach_job(
        &self,
        request: Request<Streaming<v1::AttachJobRequest>>,
    ) -> Result<Response<Self::AttachJobStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.attach(&caller, request.into_inner()).await?))
    }

    async fn exec_in_job(
        &self,
        request: Request<Streaming<v1::ExecInJobRequest>>,
    ) -> Result<Response<Self::ExecInJobStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.exec(&caller, request.into_inner()).await?))
    }

    async fn upload_source(
        &self,
        request: Request<Streaming<v1::UploadSourceRequest>>,
    ) -> Result<Response<v1::UploadSourceResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.upload(caller, request.into_inner()).await?))
    }

    async fn read_output(
        &self,
        request: Request<v1::ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.output(&caller, request.into_inner()).await?))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = incoming::job_id("id", &request.get_ref().id)?;
        let job = self.cancel(self.find(&caller, &id).await?).await?;
        Ok(Response::new(v1::CancelJobResponse { job: Some(outgoing::job(&job)) }))
    }
}
