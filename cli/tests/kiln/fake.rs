//! A kilnd that is played: it keeps jobs, follows a script, remembers what it was asked, and fails
//! where it is told to. It serves the real protocol on a socket of its own.

mod job;
mod plan;
mod play;
mod service;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use kiln_proto::v1::{self, job_service_server::JobServiceServer};
use tempfile::TempDir;
use tokio::{net::UnixListener, runtime::Runtime, sync::watch};
use tokio_stream::wrappers::UnixListenerStream;

pub(crate) use self::{
    job::{completed, exited, failed, job, timed_out},
    plan::{Plan, Step},
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
    jobs: Mutex<Vec<watch::Sender<v1::Job>>>,
    /// Whether a job is being asked for.
    pub(crate) creating: watch::Sender<bool>,
    pub(crate) created: Mutex<Vec<v1::CreateJobRequest>>,
    pub(crate) cancelled: Mutex<Vec<String>>,
    pub(crate) log_requests: Mutex<Vec<v1::ReadLogRequest>>,
    pub(crate) stdin: Mutex<Vec<u8>>,
    pub(crate) stdin_closed: watch::Sender<bool>,
    /// Bytes of output that the client's window had room for.
    pub(crate) sent: watch::Sender<u64>,
    /// Dropped at once by [`Step::Vanish`], with every connection.
    runtime: Mutex<Option<Runtime>>,
}

impl Fake {
    pub(crate) fn start(plan: Plan) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("kilnd.sock");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let jobs = plan.jobs.iter().map(|job| watch::channel(job.clone()).0).collect();
        let state = Arc::new(State {
            plan,
            jobs: Mutex::new(jobs),
            creating: watch::channel(false).0,
            created: Mutex::default(),
            cancelled: Mutex::default(),
            log_requests: Mutex::default(),
            stdin: Mutex::default(),
            stdin_closed: watch::channel(false).0,
            sent: watch::channel(0).0,
            runtime: Mutex::default(),
        });
        let listener = {
            let _inside = runtime.enter();
            UnixListener::bind(&socket).unwrap()
        };
        let service = JobServiceServer::new(service::Service(state.clone()));
        runtime.spawn(
            tonic::transport::Server::builder()
                // As a kilnd must have them: with h2's own windows a command that does not read
                // drowns in small frames of stdin, and the connection with it.
                .initial_stream_window_size(64 << 10)
                .initial_connection_window_size(8 << 20)
                .add_service(service)
                .serve_with_incoming(UnixListenerStream::new(listener)),
        );
        *state.runtime.lock().unwrap() = Some(runtime);
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
        match self.spec().work {
            Some(v1::job_spec::Work::Exec(exec)) => exec,
            None => panic!("a job without work"),
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
    fn vanish(&self) {
        if let Some(runtime) = self.runtime.lock().unwrap().take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.state.vanish();
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
