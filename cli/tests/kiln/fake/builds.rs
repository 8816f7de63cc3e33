//! Builds, as the fake plays them: events are told one after the other, whoever listens.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use kiln_proto::v1::{self, read_build_log_response::Event};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Death, Guest, State, service::Service, transfer};

/// In the log: events are as long as each other.
const EVENT: u64 = 100;
/// What the guest says at the end, and no event is.
const REST: u64 = 37;
const CHUNK: usize = 64 << 10;

#[derive(Clone, Debug, Default)]
pub(crate) struct BuildPlan {
    pub(crate) steps: Vec<BuildStep>,
    pub(crate) graph: v1::BuildProgressGraph,
    pub(crate) result: Option<v1::BuildResult>,
    pub(crate) artifacts: Vec<(String, Bytes)>,
    /// Instead of the artifacts' own.
    pub(crate) artifact_digest: Option<String>,
    /// What is asked of the ssh agent of this id while the build runs.
    pub(crate) ssh: Option<(String, Bytes)>,
}

#[derive(Clone, Debug)]
pub(crate) enum BuildStep {
    Event(Event),
    /// The daemon is killed and comes back after a while.
    Restart(Duration),
    UntilCancelled,
    /// Until the ssh agent has answered.
    UntilSsh,
}

/// How many of its events there are, and whether there will be more.
#[derive(Debug, Default)]
pub(crate) struct Builds {
    told: watch::Sender<Vec<Event>>,
    pub(crate) created: std::sync::Mutex<Vec<v1::CreateBuildRequest>>,
    /// What the ssh agent answered.
    pub(crate) ssh: watch::Sender<Vec<u8>>,
    /// Offsets that the log was read from.
    pub(crate) reads: watch::Sender<Vec<u64>>,
}

impl Guest {
    fn begin_build(self: &Arc<Self>, state: &Arc<State>) {
        let (guest, run_state) = (self.clone(), state.clone());
        state.spawn(async move { guest.run_build(&run_state).await });
    }

    async fn run_build(&self, state: &Arc<State>) {
        self.phase(v1::Phase::Building, "work");
        let mut cancelled = self.job.subscribe();
        tokio::select! {
            biased;
            _ = cancelled.wait_for(|job| job.state() == v1::JobState::Cancelled) => {}
            () = self.tell(state) => self.end(state),
        }
    }

    async fn tell(&self, state: &Arc<State>) {
        for step in state.plan.build.steps.clone() {
            match step {
                BuildStep::Event(event) => {
                    state.builds.told.send_modify(|told| told.push(event));
                    self.job.send_modify(|job| {
                        job.log.get_or_insert_default().end_offset += EVENT;
                    });
                }
                BuildStep::Restart(after) => state.restarted(after).await,
                BuildStep::UntilCancelled => std::future::pending().await,
                BuildStep::UntilSsh => {
                    let mut answered = state.builds.ssh.subscribe();
                    answered.wait_for(|answer| !answer.is_empty()).await.unwrap();
                }
            }
        }
        self.job.send_modify(|job| job.log.get_or_insert_default().end_offset += REST);
    }
}

impl Service {
    fn created_build(&self, request: v1::CreateBuildRequest) -> v1::Job {
        self.0.builds.created.lock().unwrap().push(request.clone());
        let mut jobs = self.0.jobs.lock().unwrap();
        let key = request.idempotency_key;
        let known = jobs.iter().find(|guest| guest.job.borrow().idempotency_key == key);
        if let Some(known) = known.filter(|_| !key.is_empty()) {
            return known.job.borrow().clone();
        }
        let job = v1::Job {
            spec: request.spec,
            attempt: 1,
            idempotency_key: key,
            ..super::job(&format!("01jd{:022}", jobs.len()), v1::JobState::Queued, &[])
        };
        let guest = Arc::new(Guest::new(job.clone()));
        jobs.insert(0, guest.clone());
        guest.begin_build(&self.0);
        job
    }

    fn found_build(&self, id: &str) -> Result<v1::Build, Status> {
        let job = self.find(id)?.job.borrow().clone();
        let plan = &self.0.plan.build;
        let has_completed = job.state() == v1::JobState::Completed;
        Ok(v1::Build {
            job: Some(job),
            graph: Some(plan.graph.clone()),
            result: plan.result.clone().filter(|_| has_completed),
        })
    }

    fn artifact(&self, name: &str) -> Result<Bytes, Status> {
        let found = self.0.plan.build.artifacts.iter().find(|(known, _)| known == name);
        found.map(|(_, bytes)| bytes.clone()).ok_or_else(|| Status::not_found("no such artifact"))
    }

    fn told_artifact(&self, name: &str) -> Result<v1::Artifact, Status> {
        let bytes = self.artifact(name)?;
        let planned = self.0.plan.build.artifact_digest.clone();
        Ok(v1::Artifact {
            name: name.to_owned(),
            media_type: "application/x-tar".to_owned(),
            size_bytes: bytes.len() as u64,
            digest: planned.unwrap_or_else(|| transfer::digest(&bytes)),
            image_digest: String::new(),
            expired: false,
        })
    }
}

type Answers<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl v1::build_service_server::BuildService for Service {
    type WatchBuildStream = Answers<v1::WatchBuildResponse>;
    type ReadBuildLogStream = Answers<v1::ReadBuildLogResponse>;
    type ServeSshStream = Answers<v1::ServeSshResponse>;

    async fn create_build(
        &self,
        request: Request<v1::CreateBuildRequest>,
    ) -> Result<Response<v1::CreateBuildResponse>, Status> {
        if let Some(status) = self.0.plan.refuse_create.clone() {
            return Err(status);
        }
        let job = self.created_build(request.into_inner());
        self.0.die_if(|death| matches!(death, Death::InCreate(_))).await;
        let build = Some(v1::Build { job: Some(job), graph: None, result: None });
        Ok(Response::new(v1::CreateBuildResponse { build }))
    }

    async fn get_build(
        &self,
        request: Request<v1::GetBuildRequest>,
    ) -> Result<Response<v1::GetBuildResponse>, Status> {
        let build = self.found_build(&request.get_ref().id)?;
        Ok(Response::new(v1::GetBuildResponse { build: Some(build) }))
    }

    async fn list_builds(
        &self,
        _: Request<v1::ListBuildsRequest>,
    ) -> Result<Response<v1::ListBuildsResponse>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn watch_build(
        &self,
        _: Request<v1::WatchBuildRequest>,
    ) -> Result<Response<Self::WatchBuildStream>, Status> {
        Err(Status::unimplemented("nobody asks"))
    }

    async fn read_build_log(
        &self,
        request: Request<v1::ReadBuildLogRequest>,
    ) -> Result<Response<Self::ReadBuildLogStream>, Status> {
        let v1::ReadBuildLogRequest { id, offset, follow } = request.into_inner();
        self.0.builds.reads.send_modify(|reads| reads.push(offset));
        let mut job = self.find(&id)?.job.subscribe();
        let mut told = self.0.builds.told.subscribe();
        let (answers, stream) = mpsc::channel(4);
        tokio::spawn(async move {
            let mut next = usize::try_from(offset / EVENT).unwrap();
            loop {
                let is_over = super::service::has_ended(&job.borrow_and_update());
                let fresh: Vec<_> = told.borrow_and_update().iter().skip(next).cloned().collect();
                for event in fresh {
                    next += 1;
                    let next_offset = next as u64 * EVENT;
                    let answer = v1::ReadBuildLogResponse { next_offset, event: Some(event) };
                    if answers.send(Ok(answer)).await.is_err() {
                        return;
                    }
                }
                if is_over || !follow {
                    return;
                }
                tokio::select! {
                    _ = job.changed() => {}
                    _ = told.changed() => {}
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn cancel_build(
        &self,
        _: Request<v1::CancelBuildRequest>,
    ) -> Result<Response<v1::CancelBuildResponse>, Status> {
        Err(Status::unimplemented("a build is cancelled as a job"))
    }

    async fn serve_ssh(
        &self,
        request: Request<Streaming<v1::ServeSshRequest>>,
    ) -> Result<Response<Self::ServeSshStream>, Status> {
        let mut requests = request.into_inner();
        let (answers, stream) = mpsc::channel(4);
        let state = self.0.clone();
        tokio::spawn(async move {
            let Some((ssh_id, data)) = state.plan.build.ssh.clone() else { return };
            let open = v1::SshData { connection: 7, ssh_id, data, closed: false };
            let _ = answers.send(Ok(v1::ServeSshResponse { data: Some(open) })).await;
            while let Ok(Some(request)) = requests.message().await {
                if let Some(v1::serve_ssh_request::Event::Data(data)) = request.event {
                    let said = if data.closed { b"closed".to_vec() } else { data.data.to_vec() };
                    state.builds.ssh.send_modify(|answer| answer.extend(said));
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

#[tonic::async_trait]
impl v1::artifact_service_server::ArtifactService for Service {
    type DownloadArtifactStream = Answers<v1::DownloadArtifactResponse>;

    async fn list_artifacts(
        &self,
        _: Request<v1::ListArtifactsRequest>,
    ) -> Result<Response<v1::ListArtifactsResponse>, Status> {
        let names = self.0.plan.build.artifacts.iter().map(|(name, _)| name);
        let artifacts = names.map(|name| self.told_artifact(name)).collect::<Result<_, _>>()?;
        Ok(Response::new(v1::ListArtifactsResponse { artifacts }))
    }

    async fn stat_artifact(
        &self,
        request: Request<v1::StatArtifactRequest>,
    ) -> Result<Response<v1::StatArtifactResponse>, Status> {
        let artifact = Some(self.told_artifact(&request.get_ref().name)?);
        Ok(Response::new(v1::StatArtifactResponse { artifact }))
    }

    async fn download_artifact(
        &self,
        request: Request<v1::DownloadArtifactRequest>,
    ) -> Result<Response<Self::DownloadArtifactStream>, Status> {
        let v1::DownloadArtifactRequest { job_id: _, name, offset, length } = request.into_inner();
        assert_eq!(length, 0, "to the end");
        let bytes = self.artifact(&name)?;
        let (answers, stream) = mpsc::channel(1);
        let state = self.0.clone();
        tokio::spawn(async move {
            let mut sent = offset;
            for chunk in bytes.slice(usize::try_from(offset).unwrap()..).chunks(CHUNK) {
                state
                    .die_if(|death| matches!(death, Death::InDownload(at, _) if sent >= *at))
                    .await;
                sent += chunk.len() as u64;
                let data = Bytes::copy_from_slice(chunk);
                if answers.send(Ok(v1::DownloadArtifactResponse { data })).await.is_err() {
                    return;
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}
