//! The protocol's side of the fake.

use std::{pin::Pin, sync::Arc, time::SystemTime};

use kiln_proto::v1::{
    self, attach_job_request, exec_in_job_request, host_service_server::HostService,
    job_service_server::JobService,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream, wrappers::WatchStream};
use tonic::{Request, Response, Status, Streaming};

use super::{Death, Guest, State, attachment, guest::Item, transfer};

/// So small that a handful of jobs makes several pages.
const PAGE: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Service(pub(super) Arc<State>);

type Replies<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Service {
    pub(super) fn find(&self, id: &str) -> Result<Arc<Guest>, Status> {
        let jobs = self.0.jobs.lock().unwrap();
        let found = jobs.iter().find(|guest| guest.job.borrow().id == id);
        found.cloned().ok_or_else(|| Status::not_found(format!("there is no job {id}")))
    }

    fn created(&self, request: v1::CreateJobRequest) -> Result<v1::Job, Status> {
        let key = request.idempotency_key.clone();
        self.0.created.lock().unwrap().push(request.clone());
        let mut spec = request.spec.ok_or_else(|| Status::invalid_argument("spec"))?;
        spec.cpus = spec.cpus.max(1);
        spec.memory_bytes = if spec.memory_bytes == 0 { 512 << 20 } else { spec.memory_bytes };
        spec.disk_bytes = if spec.disk_bytes == 0 { 10 << 30 } else { spec.disk_bytes };
        for input in &spec.inputs {
            if !self.0.sources.lock().unwrap().contains_key(&input.source_id) {
                return Err(Status::not_found("there is no such source"));
            }
        }
        super::rootfs::check(self, &spec)?;
        if self.0.plan.is_old {
            spec.egress = None;
        }
        let is_attached = spec.attach;
        let mut jobs = self.0.jobs.lock().unwrap();
        let known = jobs.iter().find(|guest| guest.job.borrow().idempotency_key == key);
        if let Some(known) = known.filter(|_| !key.is_empty()) {
            return Ok(known.job.borrow().clone());
        }
        let job = v1::Job {
            spec: Some(spec),
            attempt: 1,
            idempotency_key: key,
            ..super::job(&format!("01jd{:022}", jobs.len()), v1::JobState::Queued, &[])
        };
        let guest = Arc::new(Guest::new(job.clone()));
        jobs.insert(0, guest.clone());
        if !is_attached {
            guest.begin(&self.0);
        }
        Ok(job)
    }
}

#[tonic::async_trait]
impl JobService for Service {
    type WatchJobStream = Replies<v1::WatchJobResponse>;
    type ReadLogStream = Replies<v1::ReadLogResponse>;
    type AttachJobStream = ReceiverStream<Result<v1::AttachJobResponse, Status>>;
    type ExecInJobStream = ReceiverStream<Result<v1::ExecInJobResponse, Status>>;
    type ReadOutputStream = ReceiverStream<Result<v1::ReadOutputResponse, Status>>;

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
        self.0.die_if(|death| matches!(death, Death::BeforeCreate(_))).await;
        let job = self.created(request)?;
        self.0.die_if(|death| matches!(death, Death::InCreate(_))).await;
        Ok(Response::new(v1::CreateJobResponse { job: Some(job) }))
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        let job = self.find(&request.into_inner().id)?.job.borrow().clone();
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
            self.0.jobs.lock().unwrap().iter().map(|guest| guest.job.borrow().clone()).collect();
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
        let job = self.find(&request.into_inner().id)?.job.clone();
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
        let guest = self.find(&request.id)?;
        let (offset, follow) = (request.offset, request.follow);
        self.0.log_requests.lock().unwrap().push(request);
        let planned: Vec<_> = self.0.plan.log.iter().cloned().map(Ok).collect();
        if !planned.is_empty() {
            return Ok(Response::new(Box::pin(tokio_stream::iter(planned))));
        }
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(send_log(self.0.clone(), guest, (offset, follow), answers));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
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
        let Some(attach_job_request::Event::Attach(attach)) = first else {
            return Err(Status::invalid_argument("the first message names the job"));
        };
        self.0.attaches.lock().unwrap().push(attach.clone());
        let v1::Attach { id, offset } = attach;
        let guest = self.find(&id)?;
        let (responses, stream) = mpsc::channel(1);
        tokio::spawn(attachment::serve(self.0.clone(), guest, offset, requests, responses));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn exec_in_job(
        &self,
        request: Request<Streaming<v1::ExecInJobRequest>>,
    ) -> Result<Response<Self::ExecInJobStream>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|request| request.event);
        let Some(exec_in_job_request::Event::Start(start)) = first else {
            return Err(Status::invalid_argument("start comes first"));
        };
        let guest = self.find(&start.id)?;
        if guest.job.borrow().state() != v1::JobState::Running {
            return Err(Status::failed_precondition("the job does not run"));
        }
        if super::rootfs::is_one(&guest.job.borrow()) {
            return Err(Status::failed_precondition("nobody is let into the machine"));
        }
        let (responses, stream) = mpsc::channel(1);
        let exec = start.exec.unwrap_or_default();
        tokio::spawn(transfer::exec(self.0.clone(), exec, requests, responses));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn upload_source(
        &self,
        request: Request<Streaming<v1::UploadSourceRequest>>,
    ) -> Result<Response<v1::UploadSourceResponse>, Status> {
        transfer::upload(&self.0, request.into_inner()).await.map(Response::new)
    }

    async fn find_source(
        &self,
        request: Request<v1::FindSourceRequest>,
    ) -> Result<Response<v1::FindSourceResponse>, Status> {
        let digest = request.into_inner().digest;
        let sources = self.0.sources.lock().unwrap();
        let known = sources.iter().find(|(_, (_, bytes))| transfer::digest(bytes) == digest);
        let source_id = known.map(|(id, _)| id.clone()).unwrap_or_default();
        Ok(Response::new(v1::FindSourceResponse { source_id, partial_bytes: 0 }))
    }

    async fn read_output(
        &self,
        request: Request<v1::ReadOutputRequest>,
    ) -> Result<Response<Self::ReadOutputStream>, Status> {
        let v1::ReadOutputRequest { id, name, offset } = request.into_inner();
        let outputs = self.find(&id)?.job.borrow().outputs.clone();
        let index = outputs.iter().position(|output| output.name == name);
        let index = index.ok_or_else(|| Status::not_found("there is no such output"))?;
        let (answers, stream) = mpsc::channel(1);
        tokio::spawn(transfer::send_output(self.0.clone(), index, offset, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        if let Some(status) = self.0.plan.refuse_cancel.clone() {
            return Err(status);
        }
        let job = self.find(&request.into_inner().id)?.job.clone();
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

#[tonic::async_trait]
impl HostService for Service {
    async fn get_host(
        &self,
        _request: Request<v1::GetHostRequest>,
    ) -> Result<Response<v1::GetHostResponse>, Status> {
        let budget =
            |cpus, vms| v1::Budget { cpus, memory_bytes: 1 << 30, disk_bytes: 1 << 40, vms };
        Ok(Response::new(v1::GetHostResponse {
            version: "0.1.0".to_owned(),
            instance: "k7f3".to_owned(),
            vmm: "qemu".to_owned(),
            vmm_version: "7.2".to_owned(),
            accelerator: "tcg".to_owned(),
            total: Some(budget(8, 64)),
            in_use: Some(budget(2, 1)),
            queued: 3,
            running: 1,
            draining: false,
            jail: Some(v1::Jail { full: true, missing: Vec::new() }),
            network: self.0.plan.network.clone().ok(),
            no_network: self.0.plan.network.clone().err().unwrap_or_default(),
            registry: self.0.plan.images.registry.registry.clone(),
            no_registry: String::new(),
        }))
    }
}

/// With `follow` or without, until the job has ended or there is no more.
async fn send_log(
    state: Arc<State>,
    guest: Arc<Guest>,
    (mut offset, follow): (u64, bool),
    answers: mpsc::Sender<Result<v1::ReadLogResponse, Status>>,
) {
    let (mut job, mut changed) = (guest.job.subscribe(), guest.changed.subscribe());
    loop {
        let is_over = has_ended(&job.borrow_and_update()) || !follow;
        changed.borrow_and_update();
        if send_items(&state, &guest, &mut offset, &answers).await.is_err() || is_over {
            return;
        }
        tokio::select! {
            _ = job.changed() => {}
            _ = changed.changed() => {}
        }
    }
}

/// What there is from `offset` on, which goes with it; an error, when nobody listens.
async fn send_items(
    state: &Arc<State>,
    guest: &Guest,
    offset: &mut u64,
    answers: &mpsc::Sender<Result<v1::ReadLogResponse, Status>>,
) -> Result<(), ()> {
    for item in guest.log() {
        let Item::Output { offset: start, stream, bytes } = item else { continue };
        let skipped = usize::try_from(offset.saturating_sub(start)).unwrap();
        if skipped >= bytes.len() {
            continue;
        }
        let end = start + bytes.len() as u64;
        state.die_if(|death| matches!(death, Death::InLog(at, _) if start >= *at)).await;
        let chunk = v1::LogChunk {
            offset: start.max(*offset),
            time: Some(SystemTime::now().into()),
            stream: stream.into(),
            data: bytes.slice(skipped..),
        };
        let event = Some(v1::read_log_response::Event::Chunk(chunk));
        answers.send(Ok(v1::ReadLogResponse { event })).await.map_err(drop)?;
        *offset = end;
        state.sent.send_modify(|sent| *sent += end - start);
    }
    Ok(())
}

pub(super) fn has_ended(job: &v1::Job) -> bool {
    !matches!(job.state(), v1::JobState::Unspecified | v1::JobState::Queued | v1::JobState::Running)
}
