//! Where a job's output goes: its log, and of a build its steps as well.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::sleep_until;

use super::{command::WorkError, log_failure};
use crate::{
    build::{
        fault::{self, Evidence},
        graph::Live,
        tracker::{TrackError, Tracker},
    },
    guest::ExecExit,
    job::{Failure, JobSpec, Outcome, Work},
    lifecycle::{Host, end},
    log::{AppendError, Log, LogWriter},
    store::JobHandle,
    stream::Stream,
};

#[derive(Debug)]
pub(in crate::lifecycle) struct Sink {
    log: LogWriter,
    build: Option<Tracker>,
}

impl Sink {
    /// That of a job that begins, or what an earlier kilnd left of it.
    pub(in crate::lifecycle) async fn open(
        host: &Host,
        job: &JobHandle,
    ) -> Result<(Self, Log), Failure> {
        let (log, readers) = super::open_log(host, job).await?;
        let build = match job.spec().work {
            Work::Build(_) => {
                Some(Tracker::of(&readers).await.map_err(|error| log_failure(&error))?)
            }
            Work::Exec(_) | Work::Rootfs(_) | Work::Boot(_) => None,
        };
        Ok((Self { log, build }, readers))
    }

    /// The steps of a build.
    pub(super) fn live(&self) -> Option<Live> {
        self.build.as_ref().map(Tracker::live)
    }

    pub(in crate::lifecycle) async fn append(
        &mut self,
        stream: Stream,
        data: Bytes,
    ) -> Result<(), WorkError> {
        match (&mut self.build, stream) {
            (None, stream) => self.log.append(stream, &data).await.map_err(WorkError::Log),
            (Some(build), Stream::Stdout) => {
                build.append(data, &mut self.log).await.map_err(|error| match error {
                    TrackError::Log(error) => WorkError::Log(error),
                    TrackError::Frame(error) => WorkError::Events(error.to_string()),
                })
            }
            (Some(_), Stream::Stderr) => {
                Err(WorkError::Events("a build has no stderr beside its events".to_owned()))
            }
        }
    }

    /// Up to here it is safe.
    pub(super) fn end_offset(&self) -> u64 {
        self.log.end_offset()
    }

    /// Resolves when there is something to publish.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn due(&self) {
        match self.build.as_ref().and_then(Tracker::due) {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    pub(super) fn publish(&mut self) {
        if let Some(build) = &mut self.build {
            build.publish();
        }
    }

    /// What became of it, as far as its end tells.
    pub(super) fn ended(&mut self, exit: &ExecExit, spec: &JobSpec) -> Outcome {
        self.publish();
        match self.build {
            Some(_) => fault::exited(exit, spec),
            None => end::exited(exit, spec),
        }
    }

    /// Of a build: why it failed, and where. `None`: it is no build.
    pub(super) fn judged<'a>(
        &'a self,
        outcome: &Outcome,
        spec: &JobSpec,
        evidence: Evidence<'a>,
    ) -> Option<Outcome> {
        let build = self.build.as_ref()?;
        let tail = build.tail();
        let (error, step) = build.error().unzip();
        let evidence = Evidence { error, step: step.flatten(), tail: &tail, ..evidence };
        Some(fault::judge(outcome.clone(), spec, evidence))
    }

    /// Of a build: puts its steps into the job's record.
    pub(super) fn record(&self, job: &JobHandle) {
        if let Some(build) = &self.build {
            let mut record = job.snapshot().build.map(Arc::unwrap_or_clone).unwrap_or_default();
            build.record_into(&mut record);
            job.record_build(Arc::new(record)).detach();
        }
    }

    pub(in crate::lifecycle) async fn seal(&mut self) -> Result<(), AppendError> {
        self.log.seal().await
    }
}
