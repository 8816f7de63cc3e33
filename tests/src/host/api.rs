//! The daemon's API, for what the command line does not show.

use anyhow::Context as _;
use hyper_util::rt::TokioIo;
use kiln_proto::v1::{
    CreateJobRequest, GetJobRequest, Job, ListJobsRequest, WatchJobRequest,
    job_service_client::JobServiceClient,
};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

use super::Host;

impl Host {
    /// A connection of its own.
    pub async fn api(&self) -> anyhow::Result<JobServiceClient<Channel>> {
        let socket = self.socket.clone();
        let connect = service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // The address is never looked at.
        let endpoint = Endpoint::from_static("http://kilnd");
        let channel = endpoint.connect_with_connector(connect).await.context("reaching kilnd")?;
        Ok(JobServiceClient::new(channel))
    }

    /// Newest first.
    pub async fn list_jobs(&self) -> anyhow::Result<Vec<Job>> {
        let listed = self.api().await?.list_jobs(ListJobsRequest::default()).await?;
        Ok(listed.into_inner().jobs)
    }

    /// The one that was made last.
    pub async fn newest_job(&self) -> anyhow::Result<Job> {
        let job = self.list_jobs().await?.into_iter().next().context("there is no job")?;
        self.learn(&job)?;
        Ok(job)
    }

    pub async fn job(&self, id: &str) -> anyhow::Result<Job> {
        let asked = GetJobRequest { id: id.to_owned() };
        let job = self.api().await?.get_job(asked).await?.into_inner().job.context("no job")?;
        self.learn(&job)?;
        Ok(job)
    }

    /// Creates a job, or says why not.
    pub async fn create(
        &self,
        request: CreateJobRequest,
    ) -> anyhow::Result<Result<Job, tonic::Status>> {
        match self.api().await?.create_job(request).await {
            Ok(made) => Ok(Ok(made.into_inner().job.context("no job")?)),
            Err(status) => Ok(Err(status)),
        }
    }

    /// The job as it is once it has ended.
    pub async fn ended_job(&self, id: &str) -> anyhow::Result<Job> {
        let asked = WatchJobRequest { id: id.to_owned() };
        let mut changes = self.api().await?.watch_job(asked).await?.into_inner();
        let mut last = None;
        while let Some(change) = changes.message().await? {
            last = change.job;
        }
        let job = last.context("the watch showed no job")?;
        self.learn(&job)?;
        Ok(job)
    }

    /// What runs guests here is found out once; later daemons need not try it again.
    fn learn(&self, job: &Job) -> anyhow::Result<()> {
        match &job.machine {
            // A stub runs no guest.
            Some(machine) if machine.vmm != "stub" => {
                self.settings.learn(&machine.vmm, &machine.vmm_version, &machine.accelerator)
            }
            _ => Ok(()),
        }
    }
}
