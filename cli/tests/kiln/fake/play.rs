//! Playing a plan: the life of one job.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use kiln_proto::v1::{
    self, attach_job_request::Event as Request, attach_job_response::Event as Response,
};
use tokio::sync::{mpsc, watch};
use tonic::{Status, Streaming};

use super::{State, Step};

/// As kilnd cuts a stream.
const CHUNK: usize = 64 << 10;

pub(super) struct Play {
    pub(super) state: Arc<State>,
    pub(super) job: watch::Sender<v1::Job>,
    pub(super) requests: Streaming<v1::AttachJobRequest>,
    pub(super) responses: mpsc::Sender<Result<v1::AttachJobResponse, Status>>,
}

/// Why there is nothing more to play.
enum Stop {
    ClientLeft,
    Cancelled,
    Silent,
}

impl Play {
    pub(super) async fn run(mut self) {
        let mut cancelled = self.job.subscribe();
        let cancelled = async move {
            // An error would mean that the job is gone, and `self` keeps it.
            let _ = cancelled.wait_for(|job| job.state() == v1::JobState::Cancelled).await;
        };
        let stop = tokio::select! {
            // First, for a job may be cancelled before it is attached to.
            biased;
            () = cancelled => Err(Stop::Cancelled),
            stop = self.steps() => stop,
        };
        match stop {
            Ok(()) => end(&self.state, &self.job),
            Err(Stop::Cancelled) => {}
            Err(Stop::ClientLeft | Stop::Silent) => return,
        }
        let _ = self.snapshot().await;
    }

    async fn steps(&mut self) -> Result<(), Stop> {
        begin(&self.job, v1::Phase::Preparing, "boot");
        self.snapshot().await?;
        tokio::time::sleep(self.state.plan.boot_delay).await;
        begin(&self.job, v1::Phase::Building, "work");
        self.snapshot().await?;
        for step in self.state.plan.steps.clone() {
            self.step(step).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Stdout(bytes) => self.output(bytes, Response::Stdout).await?,
            Step::Stderr(bytes) => self.output(bytes, Response::Stderr).await?,
            Step::Drip(count) => {
                for byte in super::pattern(1, count).chunks(1) {
                    self.output(Bytes::copy_from_slice(byte), Response::Stdout).await?;
                    // Lets the transport send what it has, so that messages are not joined.
                    tokio::task::yield_now().await;
                }
            }
            Step::Echo => self.echo().await?,
            Step::Sleep(duration) => tokio::time::sleep(duration).await,
            Step::UntilCancelled => std::future::pending().await,
            Step::Break => {
                end(&self.state, &self.job);
                let _ = self.responses.send(Err(Status::internal("the fake broke it"))).await;
                return Err(Stop::Silent);
            }
            Step::BreakAndGoOn => {
                let _ = self.responses.send(Err(Status::internal("the fake broke it"))).await;
                return Err(Stop::Silent);
            }
            Step::Hush => {
                end(&self.state, &self.job);
                return Err(Stop::Silent);
            }
            Step::Vanish => self.state.vanish(),
        }
        Ok(())
    }

    async fn echo(&mut self) -> Result<(), Stop> {
        loop {
            let request = self.requests.message().await.map_err(|_| Stop::ClientLeft)?;
            match request.ok_or(Stop::ClientLeft)?.event {
                Some(Request::Stdin(bytes)) => {
                    self.state.stdin.lock().unwrap().extend_from_slice(&bytes);
                    self.output(bytes, Response::Stdout).await?;
                }
                Some(Request::StdinClosed(_)) => {
                    self.state.stdin_closed.send_replace(true);
                    return Ok(());
                }
                other => panic!("not stdin: {other:?}"),
            }
        }
    }

    async fn output(&mut self, bytes: Bytes, event: fn(Bytes) -> Response) -> Result<(), Stop> {
        for start in (0..bytes.len()).step_by(CHUNK) {
            let chunk = bytes.slice(start..bytes.len().min(start + CHUNK));
            let length = chunk.len() as u64;
            self.respond(event(chunk)).await?;
            self.state.sent.send_modify(|sent| *sent += length);
            let log = |job: &mut v1::Job| job.log.get_or_insert_default().end_offset += length;
            self.job.send_modify(log);
        }
        Ok(())
    }

    async fn snapshot(&self) -> Result<(), Stop> {
        let job = self.job.borrow().clone();
        self.respond(Response::Job(job)).await
    }

    async fn respond(&self, event: Response) -> Result<(), Stop> {
        let response = v1::AttachJobResponse { event: Some(event) };
        self.responses.send(Ok(response)).await.map_err(|_| Stop::ClientLeft)
    }
}

pub(super) fn begin(job: &watch::Sender<v1::Job>, phase: v1::Phase, name: &str) {
    let now = SystemTime::now();
    job.send_modify(|job| {
        job.set_state(v1::JobState::Running);
        job.set_phase(phase);
        job.started_at.get_or_insert(now.into());
        job.phases.push(v1::PhaseTime {
            name: name.to_owned(),
            started_at: Some(now.into()),
            duration: None,
        });
    });
}

pub(super) fn end(state: &State, job: &watch::Sender<v1::Job>) {
    job.send_modify(|job| {
        (state.plan.end)(job);
        job.set_phase(v1::Phase::Unspecified);
        job.ended_at = Some(SystemTime::now().into());
    });
}
