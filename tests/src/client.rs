//! A client of the API that outlives the daemon: what was lost is asked for again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use hyper_util::rt::TokioIo;
use kiln_proto::v1::{
    CancelJobRequest, CreateJobRequest, GetHostRequest, GetHostResponse, GetJobRequest, Job,
    JobSpec, JobState, ReadLogRequest, ReadOutputRequest, Stream, UploadSourceRequest,
    UploadSourceResponse, UploadStart, host_service_client::HostServiceClient,
    job_service_client::JobServiceClient, read_log_response, upload_source_request,
};
use tokio::{
    net::UnixStream,
    time::{Instant, sleep},
};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint, Uri},
};
use tower::service_fn;

const PAUSE: Duration = Duration::from_millis(20);
const PIECE: usize = 32 << 10;

/// Cheap to clone; each call has a connection of its own.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
    /// How long one thing is asked for again and again.
    patience: Duration,
}

/// What a job wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// What the log's quota dropped.
    pub dropped: u64,
}

impl Client {
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), patience: Duration::from_secs(120) }
    }

    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    pub async fn connect(&self) -> Result<Channel, tonic::transport::Error> {
        let socket = self.socket.clone();
        let connect = service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // The address is never looked at.
        Endpoint::from_static("http://kilnd").connect_with_connector(connect).await
    }

    /// Asks until somebody answers: with what was asked for, or why not.
    pub async fn asked<T, F: Future<Output = Result<T, Status>>>(
        &self,
        ask: impl Fn(JobServiceClient<Channel>) -> F,
    ) -> anyhow::Result<Result<T, Status>> {
        let end = Instant::now() + self.patience;
        loop {
            let lost = match self.connect().await {
                Err(error) => error.to_string(),
                Ok(channel) => match ask(JobServiceClient::new(channel)).await {
                    Err(status) if is_lost(&status) => status.to_string(),
                    answer => return Ok(answer),
                },
            };
            ensure!(Instant::now() < end, "nobody answered for {:?}: {lost}", self.patience);
            sleep(PAUSE).await;
        }
    }

    /// A job under an idempotency key, however often it takes.
    pub async fn submit(&self, spec: &JobSpec, key: &str) -> anyhow::Result<Result<Job, Status>> {
        let request = CreateJobRequest {
            project: String::new(),
            spec: Some(spec.clone()),
            idempotency_key: key.to_owned(),
        };
        let answer = self.asked(|mut api| {
            let request = request.clone();
            async move {
                let answered = api.create_job(request).await?.into_inner();
                answered.job.ok_or_else(|| Status::internal("no job in the answer"))
            }
        });
        answer.await
    }

    pub async fn job(&self, id: &str) -> anyhow::Result<Job> {
        let request = GetJobRequest { id: id.to_owned() };
        let answer = self.asked(|mut api| {
            let request = request.clone();
            async move { Ok(api.get_job(request).await?.into_inner()) }
        });
        answer.await??.job.context("no job in the answer")
    }

    pub async fn cancel(&self, id: &str) -> anyhow::Result<Job> {
        let request = CancelJobRequest { id: id.to_owned() };
        let answer = self.asked(|mut api| {
            let request = request.clone();
            async move { Ok(api.cancel_job(request).await?.into_inner()) }
        });
        answer.await??.job.context("no job in the answer")
    }

    /// The job once it has ended, whichever daemon ends it.
    pub async fn ended(&self, id: &str) -> anyhow::Result<Job> {
        let end = Instant::now() + self.patience;
        loop {
            let job = self.job(id).await?;
            if has_ended(&job) {
                return Ok(job);
            }
            ensure!(
                Instant::now() < end,
                "job {id} did not end within {:?}: {job:?}",
                self.patience
            );
            sleep(PAUSE).await;
        }
    }

    /// All that a job wrote, or has written so far.
    pub async fn written(&self, id: &str) -> anyhow::Result<Written> {
        let request = ReadLogRequest { id: id.to_owned(), offset: 0, follow: false };
        let answer = self.asked(|api| events_of(api, request.clone()));
        Ok(answer.await??)
    }

    pub async fn output(&self, id: &str, name: &str) -> anyhow::Result<Vec<u8>> {
        let request = ReadOutputRequest { id: id.to_owned(), name: name.to_owned(), offset: 0 };
        let answer = self.asked(|mut api| {
            let request = request.clone();
            async move {
                let mut pieces = api.read_output(request).await?.into_inner();
                let mut bytes = Vec::new();
                while let Some(piece) = pieces.message().await? {
                    bytes.extend(piece.data);
                }
                Ok(bytes)
            }
        });
        Ok(answer.await??)
    }

    /// Uploads from the start, however often it takes.
    pub async fn upload(
        &self,
        bytes: &[u8],
    ) -> anyhow::Result<Result<UploadSourceResponse, Status>> {
        let event = |event| UploadSourceRequest { event: Some(event) };
        let start = UploadStart {
            project: String::new(),
            size_bytes: bytes.len() as u64,
            ..Default::default()
        };
        let mut requests = vec![event(upload_source_request::Event::Start(start))];
        let pieces = bytes.chunks(PIECE).map(|piece| piece.to_vec().into());
        let pieces = pieces.map(upload_source_request::Event::Data);
        requests.extend(pieces.map(event));
        let answer = self.asked(|mut api| {
            let requests = tokio_stream::iter(requests.clone());
            async move { Ok(api.upload_source(requests).await?.into_inner()) }
        });
        answer.await
    }

    /// What the host has and has given.
    pub async fn host(&self) -> anyhow::Result<GetHostResponse> {
        let end = Instant::now() + self.patience;
        loop {
            let lost = match self.connect().await {
                Err(error) => error.to_string(),
                Ok(channel) => {
                    match HostServiceClient::new(channel).get_host(GetHostRequest {}).await {
                        Ok(answer) => return Ok(answer.into_inner()),
                        Err(status) if is_lost(&status) => status.to_string(),
                        Err(status) => bail!("{status}"),
                    }
                }
            };
            ensure!(Instant::now() < end, "nobody answered for {:?}: {lost}", self.patience);
            sleep(PAUSE).await;
        }
    }
}

async fn events_of(
    mut api: JobServiceClient<Channel>,
    request: ReadLogRequest,
) -> Result<Written, Status> {
    let mut events = api.read_log(request).await?.into_inner();
    let (mut written, mut next) = (Written::default(), 0);
    while let Some(event) = events.message().await? {
        let (offset, length) = match event.event {
            Some(read_log_response::Event::Chunk(chunk)) => {
                let stream = chunk.stream();
                let place = (chunk.offset, chunk.data.len() as u64);
                match stream {
                    Stream::Stderr => written.stderr.extend(chunk.data),
                    _ => written.stdout.extend(chunk.data),
                }
                place
            }
            Some(read_log_response::Event::Gap(gap)) => {
                written.dropped += gap.dropped_bytes;
                (gap.offset, gap.dropped_bytes)
            }
            None => return Err(Status::internal("an event that is none")),
        };
        if offset != next {
            let words = format!("offset {offset} came where {next} was due");
            return Err(Status::internal(words));
        }
        next = offset + length;
    }
    Ok(written)
}

pub fn has_ended(job: &Job) -> bool {
    !matches!(job.state(), JobState::Queued | JobState::Running | JobState::Unspecified)
}

/// Nobody knows whether it was done: the daemon went away, is not there yet, or is about to go.
fn is_lost(status: &Status) -> bool {
    let broken = matches!(status.code(), Code::Unknown | Code::Cancelled | Code::Internal)
        && std::error::Error::source(status).is_some();
    status.code() == Code::Unavailable || broken
}

/// The details of a failure, in their order.
pub fn details(job: &Job) -> BTreeMap<String, String> {
    let details = job.failure.as_ref().map(|failure| failure.details.clone());
    details.unwrap_or_default().into_iter().collect()
}
