//! kilnd, as this command reaches it: the only module that speaks gRPC.

mod artifact;
mod build;
mod connect;
mod error;
mod host;
mod image;
mod patience;
mod prefix;
mod watch;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use kiln_proto::v1::{
    self, artifact_service_client::ArtifactServiceClient, build_service_client::BuildServiceClient,
    host_service_client::HostServiceClient, image_service_client::ImageServiceClient,
    job_service_client::JobServiceClient,
};
use tokio_stream::Stream;
use tonic::{Response, Status, Streaming, transport::Channel};

use crate::record::Job;

pub(crate) use self::{error::DaemonError, patience::Patience};

/// For calls that kilnd answers at once.
const CALL_LIMIT: Duration = Duration::from_secs(30);
/// A page of jobs may hold long commands; kilnd is trusted not to make it larger than it is.
const MESSAGE_LIMIT: usize = 64 << 20;

#[derive(Clone, Debug)]
pub(crate) struct Daemon {
    jobs: JobServiceClient<Channel>,
    hosts: HostServiceClient<Channel>,
    images: ImageServiceClient<Channel>,
    builds: BuildServiceClient<Channel>,
    artifacts: ArtifactServiceClient<Channel>,
    socket: PathBuf,
    /// How long one that went away is waited for.
    reconnect: Duration,
    quiet: bool,
}

/// One page of [`Daemon::list`].
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) jobs: Vec<Job>,
    /// Empty on the last page.
    pub(crate) next: String,
}

impl Daemon {
    pub(crate) async fn connect(
        socket: &Path,
        reconnect: Duration,
    ) -> Result<Self, connect::ConnectError> {
        let channel = connect::channel(socket).await?;
        let jobs = JobServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
        let hosts = HostServiceClient::new(channel.clone());
        let images =
            ImageServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
        let builds =
            BuildServiceClient::new(channel.clone()).max_decoding_message_size(MESSAGE_LIMIT);
        let artifacts =
            ArtifactServiceClient::new(channel).max_decoding_message_size(MESSAGE_LIMIT);
        let socket = socket.to_owned();
        Ok(Self { jobs, hosts, images, builds, artifacts, socket, reconnect, quiet: false })
    }

    /// Says nothing of a kilnd that went away and is waited for.
    pub(crate) fn quietly(self, quiet: bool) -> Self {
        Self { quiet, ..self }
    }

    /// Of one call, or of one stream that is taken up again and again.
    pub(crate) fn patience(&self) -> Patience {
        Patience::new(self.reconnect, self.quiet)
    }

    /// Asks until kilnd answers: only for what may be asked twice.
    async fn persist<T>(
        &self,
        mut call: impl AsyncFnMut() -> Result<T, DaemonError>,
    ) -> Result<T, DaemonError> {
        let mut patience = self.patience();
        loop {
            match call().await {
                Err(error) => patience.endure(error).await?,
                answered => return answered,
            }
        }
    }

    /// `request` has an idempotency key, so asking twice makes no second job.
    pub(crate) async fn create(&self, request: v1::CreateJobRequest) -> Result<Job, DaemonError> {
        let call = async || self.answer(self.jobs.clone().create_job(request.clone())).await;
        let v1::CreateJobResponse { job } = self.persist(call).await?;
        self.present(job)
    }

    pub(crate) async fn job(&self, id: &str) -> Result<Job, DaemonError> {
        let request = v1::GetJobRequest { id: id.to_owned() };
        let call = async || self.answer(self.jobs.clone().get_job(request.clone())).await;
        let v1::GetJobResponse { job } = self.persist(call).await?;
        self.present(job)
    }

    /// Asks a job to end and gives back how it stands now.
    pub(crate) async fn cancel(&self, id: &str) -> Result<Job, DaemonError> {
        let request = v1::CancelJobRequest { id: id.to_owned() };
        let call = async || self.answer(self.jobs.clone().cancel_job(request.clone())).await;
        let v1::CancelJobResponse { job } = self.persist(call).await?;
        self.present(job)
    }

    /// The page at `token`, newest first; the first page's token is empty.
    pub(crate) async fn list(&self, project: &str, token: &str) -> Result<Page, DaemonError> {
        let request = v1::ListJobsRequest {
            project: project.to_owned(),
            page_size: 100,
            page_token: token.to_owned(),
        };
        let call = async || self.answer(self.jobs.clone().list_jobs(request.clone())).await;
        let v1::ListJobsResponse { jobs, next_page_token } = self.persist(call).await?;
        // A token that stands still would be read for ever.
        if !token.is_empty() && next_page_token == token {
            return Err(self.malformed("page token"));
        }
        Ok(Page { jobs: jobs.into_iter().map(Job::from).collect(), next: next_page_token })
    }

    pub(crate) async fn read_log(
        &self,
        request: v1::ReadLogRequest,
    ) -> Result<Streaming<v1::ReadLogResponse>, DaemonError> {
        self.answer(self.jobs.clone().read_log(request)).await
    }

    /// Without a limit: kilnd may answer no sooner than the job begins.
    pub(crate) async fn attach(
        &self,
        requests: impl Stream<Item = v1::AttachJobRequest> + Send + 'static,
    ) -> Result<Streaming<v1::AttachJobResponse>, DaemonError> {
        let answer = self.jobs.clone().attach_job(requests).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    /// As [`Self::attach`], for one more command in the guest.
    pub(crate) async fn exec(
        &self,
        requests: impl Stream<Item = v1::ExecInJobRequest> + Send + 'static,
    ) -> Result<Streaming<v1::ExecInJobResponse>, DaemonError> {
        let answer = self.jobs.clone().exec_in_job(requests).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn find_source(
        &self,
        request: v1::FindSourceRequest,
    ) -> Result<v1::FindSourceResponse, DaemonError> {
        let call = async || self.answer(self.jobs.clone().find_source(request.clone())).await;
        self.persist(call).await
    }

    /// Without a limit: it lasts as long as the bytes do.
    pub(crate) async fn upload(
        &self,
        requests: impl Stream<Item = v1::UploadSourceRequest> + Send + 'static,
    ) -> Result<v1::UploadSourceResponse, DaemonError> {
        let answer = self.jobs.clone().upload_source(requests).await;
        answer.map(Response::into_inner).map_err(|status| self.error(&status))
    }

    pub(crate) async fn read_output(
        &self,
        request: v1::ReadOutputRequest,
    ) -> Result<Streaming<v1::ReadOutputResponse>, DaemonError> {
        self.answer(self.jobs.clone().read_output(request)).await
    }

    /// That a stream ended in order and before it was complete.
    pub(crate) fn cut_short(&self, what: &str) -> DaemonError {
        DaemonError::Lost {
            socket: self.socket.clone(),
            cause: format!("it ended {what} too early"),
        }
    }

    /// What a status, of a call or of a stream, means to the user.
    pub(crate) fn error(&self, status: &Status) -> DaemonError {
        DaemonError::new(&self.socket, status)
    }

    async fn answer<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, DaemonError> {
        match tokio::time::timeout(CALL_LIMIT, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.error(&status)),
            Err(_) => Err(DaemonError::Silent { socket: self.socket.clone(), limit: CALL_LIMIT }),
        }
    }

    fn present(&self, job: Option<v1::Job>) -> Result<Job, DaemonError> {
        job.map(Job::from).ok_or_else(|| self.malformed("job"))
    }
}
