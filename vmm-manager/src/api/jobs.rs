//! `kiln.v1.JobService`.

use std::sync::Arc;

use kiln_proto::v1::{self, job_service_server::JobService};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{attach, caller::Caller, field::InvalidField, incoming, outgoing};
use crate::{
    job::Owner,
    scheduler::Scheduler,
    store::{CancelReason, JobHandle, Store},
};

/// Answers in flight to one reader.
const DEPTH: usize = 4;
const DEFAULT_PAGE: usize = 100;
const MOST_PAGE: usize = 1000;

#[derive(Clone, Debug)]
pub struct JobApi {
    scheduler: Arc<Scheduler>,
    store: Arc<Store>,
}

impl JobApi {
    pub fn new(scheduler: Arc<Scheduler>, store: Arc<Store>) -> Self {
        Self { scheduler, store }
    }

    fn find(&self, caller: &Caller, id: &str) -> Result<Arc<JobHandle>, Status> {
        let id = incoming::job_id(id)?;
        self.store
            .find(&caller.tenant, &id)
            .ok_or_else(|| Status::not_found(format!("there is no job {id}")))
    }
}

type Answers<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl JobService for JobApi {
    type WatchJobStream = Answers<v1::WatchJobResponse>;
    type ReadLogStream = Answers<v1::ReadLogResponse>;
    type AttachJobStream = Answers<v1::AttachJobResponse>;

    async fn create_job(
        &self,
        request: Request<v1::CreateJobRequest>,
    ) -> Result<Response<v1::CreateJobResponse>, Status> {
        let caller = Caller::of(&request)?;
        let v1::CreateJobRequest { project, spec } = request.into_inner();
        let project = incoming::project(&project)?;
        let spec = incoming::job_spec(spec)?;
        let owner = Owner { tenant: caller.tenant, project };
        let handle = self.scheduler.submit(owner, spec).map_err(InvalidField::from)?;
        let job = Some(outgoing::job(&handle.snapshot()));
        Ok(Response::new(v1::CreateJobResponse { job }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let handle = self.find(&Caller::of(&request)?, &request.get_ref().id)?;
        let job = Some(outgoing::job(&handle.snapshot()));
        Ok(Response::new(v1::GetJobResponse { job }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let v1::ListJobsRequest { project, page_size, page_token } = request.into_inner();
        let project = incoming::listed_project(&project)?;
        let after = match page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| {
                InvalidField::new("page_token", "is none that an earlier page ended with")
            })?),
        };
        let limit = match usize::try_from(page_size) {
            Ok(0) | Err(_) => DEFAULT_PAGE,
            Ok(size) if size <= MOST_PAGE => size,
            Ok(_) => {
                return Err(InvalidField::new("page_size", format!("is above {MOST_PAGE}")).into());
            }
        };
        // One more than asked for tells whether there is a next page.
        let mut jobs =
            self.store.list(&caller.tenant, project.as_deref(), after.as_ref(), limit + 1);
        let more = jobs.len() > limit;
        jobs.truncate(limit);
        let last = jobs.last().filter(|_| more);
        let next_page_token = last.map(|job| job.id.to_string()).unwrap_or_default();
        let jobs = jobs.iter().map(outgoing::job).collect();
        Ok(Response::new(v1::ListJobsResponse { jobs, next_page_token }))
    }

    async fn watch_job(
        &self,
        request: Request<v1::WatchJobRequest>,
    ) -> Result<Response<Self::WatchJobStream>, Status> {
        let handle = self.find(&Caller::of(&request)?, &request.get_ref().id)?;
        let (answers, receiver) = tokio::sync::mpsc::channel(DEPTH);
        tokio::spawn(async move {
            let mut changes = handle.watch();
            loop {
                // Marked as seen before the look, so no change between the two is missed.
                changes.mark_unchanged();
                let job = handle.snapshot();
                let answer = v1::WatchJobResponse { job: Some(outgoing::job(&job)) };
                if answers.send(Ok(answer)).await.is_err() || job.has_ended() {
                    return;
                }
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { return },
                    () = answers.closed() => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn read_log(
        &self,
        request: Request<v1::ReadLogRequest>,
    ) -> Result<Response<Self::ReadLogStream>, Status> {
        let handle = self.find(&Caller::of(&request)?, &request.get_ref().id)?;
        let v1::ReadLogRequest { id: _, offset, follow } = request.into_inner();
        let (answers, receiver) = tokio::sync::mpsc::channel(DEPTH);
        tokio::spawn(async move {
            let mut reader = handle.log().read_from(offset);
            loop {
                let next = async {
                    if follow { reader.next_followed().await } else { reader.next_stored().await }
                };
                let next = tokio::select! {
                    next = next => next,
                    () = answers.closed() => return,
                };
                let answer = match next {
                    Ok(None) => return,
                    Ok(Some(event)) => Ok(outgoing::log_event(event)),
                    Err(error) => Err(Status::data_loss(format!("the log is damaged: {error}"))),
                };
                let last = answer.is_err();
                if answers.send(answer).await.is_err() || last {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn attach_job(
        &self,
        request: Request<Streaming<v1::AttachJobRequest>>,
    ) -> Result<Response<Self::AttachJobStream>, Status> {
        let caller = Caller::of(&request)?;
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.event);
        let Some(v1::attach_job_request::Event::Id(id)) = first else {
            return Err(InvalidField::new("id", "must come first").into());
        };
        let handle = self.find(&caller, &id)?;
        let attachment =
            handle.attach().map_err(|error| Status::failed_precondition(error.to_string()))?;
        let (answers, receiver) = tokio::sync::mpsc::channel(DEPTH);
        tokio::spawn(attach::serve(handle, attachment, requests, answers));
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let handle = self.find(&Caller::of(&request)?, &request.get_ref().id)?;
        handle.cancel(CancelReason::Asked);
        let job = Some(outgoing::job(&handle.snapshot()));
        Ok(Response::new(v1::CancelJobResponse { job }))
    }
}
