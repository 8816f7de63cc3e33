//! The daemon's parts that the API stands on, and a client of it.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use hyper_util::rt::TokioIo;
use kiln_proto::v1::{
    self, build_service_client::BuildServiceClient, build_service_server::BuildServiceServer,
    host_service_client::HostServiceClient, host_service_server::HostServiceServer,
    job_service_client::JobServiceClient, job_service_server::JobServiceServer,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Mutex, mpsc, oneshot},
    time::timeout,
};
use tokio_stream::{StreamExt as _, wrappers::UnixListenerStream};
use tonic::{
    Status, Streaming,
    transport::{Channel, Endpoint, Server, Uri},
};

use crate::{
    admission::Network,
    api::{BuildApi, HostApi, HostApiParts, JobApi, JobApiParts},
    job::{CommandEnd, JobId, Outcome, OutputRecord},
    log::{Log, LogQuota, LogWriter},
    network::{Networkless, Networks},
    output::{self, Outputs},
    registry::{self, Registryless},
    scheduler::{Budget, Runner, Scheduler, Turn},
    source::Sources,
    store::{JobHandle, Store},
    stream::Stream,
    vmm::{JailState, VmmIdentity},
};

/// Far more than any case takes: only a hang meets it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
pub(super) const MOST_OUTPUT_BYTES: u64 = 4 << 30;
pub(super) const MOST_SOURCE_BYTES: u64 = 1 << 20;

pub(super) struct Service {
    pub(super) client: JobServiceClient<Channel>,
    pub(super) builds: BuildServiceClient<Channel>,
    pub(super) host: HostServiceClient<Channel>,
    pub(super) store: Arc<Store>,
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) sources: Sources,
    pub(super) outputs: Outputs,
    turns: Mutex<mpsc::UnboundedReceiver<Running>>,
    pub(super) home: tempfile::TempDir,
}

/// A job whose turn has come, in the hands of the test.
pub(super) struct Running {
    pub(super) job: Arc<JobHandle>,
    directory: PathBuf,
    over: oneshot::Sender<Turn>,
}

#[derive(Debug)]
struct Hands {
    turns: mpsc::UnboundedSender<Running>,
    jobs: PathBuf,
}

#[async_trait]
impl Runner for Hands {
    async fn run(&self, job: Arc<JobHandle>) -> Turn {
        let directory = self.jobs.join(job.id().as_str());
        let (over, turn) = oneshot::channel();
        let _ = self.turns.send(Running { job, directory, over });
        turn.await.unwrap_or(Turn::Left)
    }

    async fn adopt(&self, job: Arc<JobHandle>) -> Turn {
        self.run(job).await
    }
}

impl Service {
    /// With room for one VM, and one job that waits.
    pub(super) async fn start() -> Self {
        Self::start_with(Err(Networkless::Unwanted)).await
    }

    pub(super) async fn start_with(networks: Result<Arc<Networks>, Networkless>) -> Self {
        Self::start_on(networks, Err(Registryless)).await
    }

    pub(super) async fn start_on(
        networks: Result<Arc<Networks>, Networkless>,
        registry: Result<Arc<registry::Service>, Registryless>,
    ) -> Self {
        let network = match &networks {
            Ok(networks) => Network::UpTo(networks.ceiling().clone()),
            Err(_) => Network::Absent,
        };
        let home = tempfile::tempdir().unwrap();
        let path = |name: &str| home.path().join(name);
        std::fs::create_dir(path("jobs")).unwrap();
        let (turns, taken) = mpsc::unbounded_channel();
        let runner = Arc::new(Hands { turns, jobs: path("jobs") });
        let (store, recovered) = Store::open(&path("store")).unwrap();
        let total = Budget { cpus: 8, memory_bytes: 8 << 30, disk_bytes: 1 << 40, vms: 1 };
        let scheduler =
            Arc::new(Scheduler::start(runner, Arc::clone(&store), total, network, 1, recovered));
        let sources = Sources::open(&path("sources"), MOST_SOURCE_BYTES).unwrap();
        let outputs = Outputs::new(path("jobs"));
        let jobs = JobApi::new(JobApiParts {
            scheduler: Arc::clone(&scheduler),
            store: Arc::clone(&store),
            sources: sources.clone(),
            outputs: outputs.clone(),
            jobs: path("jobs"),
            most_output_bytes: MOST_OUTPUT_BYTES,
        });
        let vmm = VmmIdentity { name: "hands", version: "1".to_owned(), accelerator: "none" };
        let instance = "0123abcd".to_owned();
        let host = HostApi::new(HostApiParts {
            instance,
            vmm,
            jail: JailState::Full,
            networks,
            registry,
            scheduler: Arc::clone(&scheduler),
        });
        let listener = UnixListener::bind(path("socket")).unwrap();
        tokio::spawn(
            Server::builder()
                .add_service(BuildServiceServer::new(BuildApi::new(jobs.clone())))
                .add_service(JobServiceServer::new(jobs))
                .add_service(HostServiceServer::new(host))
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        let channel = connect(path("socket")).await;
        Self {
            client: JobServiceClient::new(channel.clone()),
            builds: BuildServiceClient::new(channel.clone()),
            host: HostServiceClient::new(channel),
            store,
            scheduler,
            sources,
            outputs,
            turns: Mutex::new(taken),
            home,
        }
    }

    pub(super) fn client(&self) -> JobServiceClient<Channel> {
        self.client.clone()
    }

    pub(super) async fn create(&self, spec: v1::JobSpec) -> Result<v1::Job, Status> {
        self.create_with_key(spec, "").await
    }

    pub(super) async fn create_with_key(
        &self,
        spec: v1::JobSpec,
        key: &str,
    ) -> Result<v1::Job, Status> {
        let request = v1::CreateJobRequest {
            project: String::new(),
            spec: Some(spec),
            idempotency_key: key.to_owned(),
        };
        Ok(self.client().create_job(request).await?.into_inner().job.unwrap())
    }

    /// Creates a job and takes its turn, its command marked as started.
    pub(super) async fn run(&self, spec: v1::JobSpec) -> (v1::Job, Running) {
        let job = self.create(spec).await.unwrap();
        let running = self.turn().await;
        assert_eq!(running.job.id().as_str(), job.id);
        running.job.mark_started().await.unwrap();
        (job, running)
    }

    pub(super) async fn turn(&self) -> Running {
        timeout(PATIENCE, async { self.turns.lock().await.recv().await }).await.unwrap().unwrap()
    }

    pub(super) async fn get(&self, id: &str) -> Result<v1::Job, Status> {
        let request = v1::GetJobRequest { id: id.to_owned() };
        Ok(self.client().get_job(request).await?.into_inner().job.unwrap())
    }

    pub(super) async fn upload(&self, parts: &[&[u8]]) -> Result<v1::UploadSourceResponse, Status> {
        let size_bytes = parts.iter().map(|part| part.len() as u64).sum();
        let parts = parts.iter().map(|part| data(part)).collect::<Vec<_>>();
        let requests = std::iter::once(start(size_bytes)).chain(parts);
        let response = self.client().upload_source(tokio_stream::iter(requests)).await?;
        Ok(response.into_inner())
    }

    /// What a sweep finds in two hours.
    pub(super) fn forget_unused_sources(&self) -> usize {
        let later = SystemTime::now() + Duration::from_secs(7200);
        self.sources.forget_unused(later, Duration::from_secs(3600)).len()
    }

    pub(super) async fn list(&self) -> Vec<v1::Job> {
        let answer = self.client().list_jobs(v1::ListJobsRequest::default()).await.unwrap();
        answer.into_inner().jobs
    }
}

impl Running {
    pub(super) async fn log(&self) -> LogWriter {
        std::fs::create_dir_all(&self.directory).unwrap();
        let opened: (LogWriter, Log) =
            LogWriter::open(self.directory.clone(), LogQuota::default()).await.unwrap();
        self.job.set_log(opened.1);
        opened.0
    }

    pub(super) async fn leave_output(&self, name: &str, content: &[u8]) -> OutputRecord {
        std::fs::create_dir_all(&self.directory).unwrap();
        let disk = self.directory.join(format!("{name}.disk"));
        std::fs::write(&disk, content).unwrap();
        let target = self.directory.join("outputs").join(name);
        output::ingest(&disk, content.len() as u64, &target).await.unwrap()
    }

    pub(super) async fn command_over(&self) {
        self.job.record_exit(CommandEnd { outcome: Outcome::Completed }).await.unwrap();
    }

    pub(super) async fn end(self, outcome: Outcome) -> JobId {
        self.job.end(outcome).await.unwrap();
        self.job.mark_released().await.unwrap();
        let id = self.job.id().clone();
        let _ = self.over.send(Turn::Over);
        id
    }
}

pub(super) async fn write(log: &mut LogWriter, text: &str) {
    log.append(Stream::Stdout, text.as_bytes()).await.unwrap();
}

pub(super) fn start(size_bytes: u64) -> v1::UploadSourceRequest {
    let start = v1::UploadStart { size_bytes, ..Default::default() };
    v1::UploadSourceRequest { event: Some(v1::upload_source_request::Event::Start(start)) }
}

pub(super) fn data(part: &[u8]) -> v1::UploadSourceRequest {
    let data = v1::upload_source_request::Event::Data(Bytes::copy_from_slice(part));
    v1::UploadSourceRequest { event: Some(data) }
}

pub(super) fn spec() -> v1::JobSpec {
    let exec = v1::ExecSpec { argv: vec!["true".to_owned()], ..v1::ExecSpec::default() };
    v1::JobSpec { work: Some(v1::job_spec::Work::Exec(exec)), ..v1::JobSpec::default() }
}

pub(super) fn with_input(source_id: &str) -> v1::JobSpec {
    let (source_id, path) = (source_id.to_owned(), "/in".to_owned());
    v1::JobSpec { inputs: vec![v1::InputDisk { source_id, path, format: 0 }], ..spec() }
}

pub(super) fn with_output(name: &str) -> v1::JobSpec {
    let (name, path) = (name.to_owned(), "/out".to_owned());
    let output = v1::OutputDisk { name, path, format: 0, max_bytes: 1 << 20 };
    v1::JobSpec { outputs: vec![output], ..spec() }
}

/// The next answer of a stream, or its end, or its error.
pub(super) async fn next<T>(answers: &mut Streaming<T>) -> Option<Result<T, Status>> {
    timeout(PATIENCE, answers.next()).await.unwrap()
}

async fn connect(socket: PathBuf) -> Channel {
    let connect = tower::service_fn(move |_: Uri| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    Endpoint::from_static("http://kilnd").connect_with_connector(connect).await.unwrap()
}

/// Until it is so: for what follows an answer within a moment.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap();
}
