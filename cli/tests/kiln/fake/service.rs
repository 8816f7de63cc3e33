//! The protocol's side of the fake.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use kiln_proto::v1::{self, attach_job_request, job_service_server::JobService};
use tokio::sync::{mpsc, watch};
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream, wrappers::WatchStream};
use tonic::{Request, Response, Status, Streaming};

use super::{State, play::Play};

/// So small that a handful of jobs makes several pages.
const PAGE: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Service(pub(super) Arc<State>);

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    fn find(&self, id: &str) -> Result<watch::Sender<v1::Job>, Status> {
        let jobs = self.0.jobs.lock().unwrap();
        let found = jobs.iter().find(|job| job.borrow().id == id);
        found.cloned().ok_or_else(|| Status::not_found(format!("there is no job {id}")))
    }
}

#[tonic::async_trait]
impl JobService for Service {
    type WatchJobStream = Replies<v1::WatchJobResponse>;
    type ReadLogStream = Replies<v1::ReadLogResponse>;
    type AttachJobStream = ReceiverStream<Result<v1::AttachJobResponse, Status>>;

    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        self.0.creating.send_replace(true);
        tokio::time::sleep(self.0.plan.create_delay).await;
        if let Some(status) = self.0.plan.refuse_create.clone() {
            return Err(status);
        }
        let request = request.into_inner();
        self.0.created.lock().unwrap().push(request.clone());
        let mut spec = request.spec.ok_or_else(|| Status::invalid_argument("spec"))?;
        spec.cpus = spec.cpus.max(1);
        spec.memory_bytes = if spec.memory_bytes == 0 { 512 << 20 } else { spec.memory_bytes };
        spec.disk_bytes = if spec.disk_bytes == 0 { 10 << 30 } else { spec.disk_bytes };
        let mut jobs = self.0.jobs.lock().unwrap();
        let job = v1::Job {
            spec: Some(spec),
            ..super::job(&format!("01jd{:022}", jobs.len()), v1::JobState::Queued, &[])
        };
        jobs.insert(0, watch::channel(job.clone()).0);
        Ok(Response::new(v1::CreateJobResponse { job: Some(job) }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let job = self.find(&request.into_inner().id)?.borrow().clone();
        Ok(Response::new(v1::GetJobResponse { job: Some(job) }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let v1::ListJobsRequest { project, page_size: _, page_token } = request.into_inner();
        let start = match page_token.as_str() {
            "" => 0,
            token => token.parse().map_err(|_| Status::invalid_argument("page_token"))?,
        };
        let all: Vec<_> =
            self.0.jobs.lock().unwrap().iter().map(|job| job.borrow().clone()).collect();
        let mut matching =
            all.into_iter().filter(|job| project.is_empty() || job.project == project);
        let jobs: Vec<_> = matching.by_ref().skip(start).take(PAGE).collect();
        let has_more = matching.next().is_some();
        let next = if has_more { (start + PAGE).to_string() } else { String::new() };
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token: next }))
    }

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let job = self.find(&request.into_inner().id)?;
        let mut is_over = false;
        let changes = WatchStream::new(job.subscribe())
            .take_while(move |job| !std::mem::replace(&mut is_over, has_ended(job)));
        let replies = changes.map(|job| Ok(v1::WatchJobResponse { job: Some(job) }));
        Ok(Response::new(Box::pin(replies)))
    }

    async fn read_log(
        &self,
        request: Request<v1::ReadLogRequest>,
    ) -> Result<Response<Self::ReadLogStream>, Status> {
        let request = request.into_inner();
        self.find(&request.id)?;
        self.0.log_requests.lock().unwrap().push(request);
        let log: Vec<_> = self.0.plan.log.iter().cloned().map(Ok).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(log))))
    }

    async fn attach_job(
        &self,
        request: Request<Streaming<v1::AttachJobRequest>>,
    ) -> Result<Response<Self::AttachJobStream>, Status> {
        if let Some(status) = self.0.plan.refuse_attach.clone() {
            return Err(status);
        }
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.event);
        let Some(attach_job_request::Event::Id(id)) = first else {
            return Err(Status::invalid_argument("the first message names the job"));
        };
        let job = self.find(&id)?;
        let (responses, stream) = mpsc::channel(1);
        tokio::spawn(Play { state: self.0.clone(), job, requests, responses }.run());
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        if let Some(status) = self.0.plan.refuse_cancel.clone() {
            return Err(status);
        }
        let job = self.find(&request.into_inner().id)?;
        self.0.cancelled.lock().unwrap().push(job.borrow().id.clone());
        if !self.0.plan.is_deaf {
            job.send_if_modified(|job| {
                let goes_on = !has_ended(job);
                if goes_on {
                    job.set_state(v1::JobState::Cancelled);
                    job.set_phase(v1::Phase::Unspecified);
                    job.ended_at = Some(SystemTime::now().into());
                }
                goes_on
            });
        }
        let job = job.borrow().clone();
        Ok(Response::new(v1::CancelJobResponse { job: Some(job) }))
    }
}

fn has_ended(job: &v1::Job) -> bool {
    !matches!(job.state(), v1::JobState::Unspecified | v1::JobState::Queued | v1::JobState::Running)
}
