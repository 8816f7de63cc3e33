//! A kilnd that is played: it keeps jobs, follows a script, remembers what it was asked, and fails
//! where it is told to. It serves the real protocol on a socket of its own.
//!
//! ```text
//! guests (a runtime that lives as long as the fake): the commands, their logs and stdin
//!    ▲ attach at an offset
//! daemon (a runtime that can die and come back on the same socket): connections, nothing else
//! ```

mod attachment;
mod builds;
mod guest;
mod images;
mod job;
mod plan;
mod rootfs;
mod service;
mod transfer;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use kiln_proto::v1::{
    self, artifact_service_server::ArtifactServiceServer, build_service_server::BuildServiceServer,
    host_service_server::HostServiceServer, image_service_server::ImageServiceServer,
    job_service_server::JobServiceServer,
};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime, sync::watch};
use tokio_stream::wrappers::UnixListenerStream;

use self::guest::Guest;
pub(crate) use self::{
    builds::{BuildPlan, BuildStep, Builds},
    images::{ImagePlan, Images, Outside, image},
    job::{completed, exited, failed, job, timed_out},
    plan::{Death, Plan, Step},
    rootfs::{RootfsPlan, up},
};

#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) socket: PathBuf,
    pub(crate) state: Arc<State>,
    _directory: TempDir,
}

/// What the fake knows, and has been asked.
#[derive(Debug)]
pub(crate) struct State {
    plan: Plan,
    socket: PathBuf,
    jobs: Mutex<Vec<Arc<Guest>>>,
    deaths: Mutex<Vec<Death>>,
    /// How often the daemon came back.
    pub(crate) returns: watch::Sender<u32>,
    /// Whether a job is being asked for.
    pub(crate) creating: watch::Sender<bool>,
    pub(crate) created: Mutex<Vec<v1::CreateJobRequest>>,
    pub(crate) cancelled: Mutex<Vec<String>>,
    pub(crate) log_requests: Mutex<Vec<v1::ReadLogRequest>>,
    /// What was uploaded whole, by id, with the size that was told beforehand.
    pub(crate) sources: Mutex<HashMap<String, (u64, Vec<u8>)>>,
    pub(crate) uploads: Mutex<u32>,
    /// Of terminals, in order.
    pub(crate) resizes: watch::Sender<Vec<v1::TerminalSize>>,
    pub(crate) signals: watch::Sender<Vec<i32>>,
    pub(crate) execs: watch::Sender<Vec<v1::ExecSpec>>,
    pub(crate) attaches: Mutex<Vec<v1::Attach>>,
    pub(crate) images: Images,
    pub(crate) builds: Builds,
    pub(crate) stdin: Mutex<Vec<u8>>,
    pub(crate) stdin_closed: watch::Sender<bool>,
    /// Bytes of output that the client's window had room for.
    pub(crate) sent: watch::Sender<u64>,
    /// Dropped at once when the daemon dies, with every connection.
    runtime: Mutex<Option<Runtime>>,
    /// Of the guests.
    guests: Mutex<Option<Runtime>>,
}

impl Fake {
    pub(crate) fn start(plan: Plan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("kilnd.sock");
        let jobs = plan.jobs.iter().map(|job| Arc::new(Guest::new(job.clone()))).collect();
        let state = Arc::new(State {
            socket: socket.clone(),
            jobs: Mutex::new(jobs),
            deaths: Mutex::new(plan.deaths.clone()),
            images: Images::new(&plan.images),
            builds: Builds::default(),
            plan,
            returns: watch::channel(0).0,
            creating: watch::channel(false).0,
            created: Mutex::default(),
            cancelled: Mutex::default(),
            log_requests: Mutex::default(),
            sources: Mutex::default(),
            uploads: Mutex::default(),
            resizes: watch::channel(Vec::new()).0,
            signals: watch::channel(Vec::new()).0,
            execs: watch::channel(Vec::new()).0,
            attaches: Mutex::default(),
            stdin: Mutex::default(),
            stdin_closed: watch::channel(false).0,
            sent: watch::channel(0).0,
            runtime: Mutex::default(),
            guests: Mutex::new(Some(runtime())),
        });
        state.serve();
        Self { socket, state, _directory: directory }
    }

    /// A job whose command writes and then ends as `end` has it.
    pub(crate) fn running(steps: Vec<Step>, end: fn(&mut v1::Job)) -> Self {
        Self::start(Plan { steps, end, ..Plan::default() })
    }

    pub(crate) fn with_jobs(jobs: Vec<v1::Job>) -> Self {
        Self::start(Plan { jobs, ..Plan::default() })
    }

    pub(crate) fn exec(&self) -> v1::ExecSpec {
        let spec = Some(self.spec());
        exec_of(&v1::Job { spec, ..v1::Job::default() })
    }

    /// Of the only job whose work is that.
    pub(crate) fn rootfs(&self) -> v1::RootfsSpec {
        match self.spec().work {
            Some(v1::job_spec::Work::Rootfs(rootfs)) => rootfs,
            other => panic!("no root filesystem: {other:?}"),
        }
    }

    pub(crate) fn boot(&self) -> v1::BootSpec {
        match self.spec().work {
            Some(v1::job_spec::Work::Boot(boot)) => boot,
            other => panic!("no boot: {other:?}"),
        }
    }

    pub(crate) fn spec(&self) -> v1::JobSpec {
        self.state.created.lock().unwrap()[0].spec.clone().unwrap()
    }

    /// Once that much output is on its way.
    pub(crate) async fn sent_at_least(&self, bytes: u64) {
        let mut sent = self.state.sent.subscribe();
        let waited = sent.wait_for(|&sent| sent >= bytes);
        tokio::time::timeout(crate::command::LIMIT, waited).await.expect("too little").unwrap();
    }

    /// How much has been sent when for a while nothing more was.
    pub(crate) async fn sent_at_rest(&self) -> u64 {
        let mut sent = self.state.sent.subscribe();
        loop {
            let before = *sent.borrow_and_update();
            if tokio::time::timeout(Duration::from_millis(500), sent.changed()).await.is_err() {
                return before;
            }
        }
    }
}

impl State {
    fn serve(self: &Arc<Self>) {
        let runtime = runtime();
        // A killed daemon leaves its socket behind.
        let _ = std::fs::remove_file(&self.socket);
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&self.socket).unwrap()
        };
        let jobs = JobServiceServer::new(service::Service(self.clone()));
        let hosts = HostServiceServer::new(service::Service(self.clone()));
        let images = ImageServiceServer::new(service::Service(self.clone()));
        let builds = BuildServiceServer::new(service::Service(self.clone()));
        let artifacts = ArtifactServiceServer::new(service::Service(self.clone()));
        runtime.spawn(
            tonic::transport::Server::builder()
                // As a kilnd must have them: with h2's own windows a command that does not read
                // drowns in small frames of stdin, and the connection with it.
                .initial_stream_window_size(64 << 10)
                .initial_connection_window_size(8 << 20)
                .add_service(jobs)
                .add_service(hosts)
                .add_service(images)
                .add_service(builds)
                .add_service(artifacts)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        *self.runtime.lock().unwrap() = Some(runtime);
    }

    /// The daemon is gone, with all of its connections; its guests go on.
    pub(crate) fn vanish(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }

    /// As `kill -9`, and a new daemon a while later; of one that is away already nothing more dies.
    pub(crate) fn restart(self: &Arc<Self>, after: Duration) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
            self.return_after(after);
        }
    }

    /// As [`Self::restart`], from outside of the daemon: once it is gone.
    async fn restarted(self: &Arc<Self>, after: Duration) {
        let runtime = self.runtime.lock().unwrap().take();
        let Some(runtime) = runtime else { return };
        let gone = move || runtime.shutdown_timeout(crate::command::LIMIT);
        tokio::task::spawn_blocking(gone).await.unwrap();
        self.return_after(after);
    }

    fn return_after(self: &Arc<Self>, after: Duration) {
        let state = self.clone();
        self.spawn(async move {
            tokio::time::sleep(after).await;
            state.serve();
            state.returns.send_modify(|returns| *returns += 1);
        });
    }

    /// Among the guests.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(guests) = &*self.guests.lock().unwrap() {
            guests.spawn(task);
        }
    }

    /// The daemon dies here if that was planned; the caller is gone with it.
    async fn die_if(self: &Arc<Self>, here: impl Fn(&Death) -> bool) {
        let death = {
            let mut deaths = self.deaths.lock().unwrap();
            let found = deaths.iter().position(here);
            found.map(|index| deaths.remove(index))
        };
        if let Some(death) = death {
            self.restart(death.after());
            std::future::pending::<()>().await;
        }
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(guests) = self.state.guests.lock().unwrap().take() {
            guests.shutdown_background();
        }
        self.state.vanish();
    }
}

fn exec_of(job: &v1::Job) -> v1::ExecSpec {
    match job.spec.clone().unwrap_or_default().work {
        Some(v1::job_spec::Work::Exec(exec)) => exec,
        _ => panic!("a job without a command"),
    }
}

/// Bytes in which no two places look alike, so that nothing can be lost, doubled or swapped unseen.
pub(crate) fn pattern(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
