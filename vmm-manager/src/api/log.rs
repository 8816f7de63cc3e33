//! `ReadLog`, of a job that runs and of one that has ended.

use std::{sync::Arc, time::Duration};

use kiln_proto::v1;
use tokio::{sync::mpsc, time::timeout};
use tonic::Status;

use super::{
    caller::Caller,
    incoming,
    jobs::{Answers, JobApi, answers},
    outgoing, status,
};
use crate::{
    job::{Job, Work},
    log::{Log, LogReader},
    output::Reading,
    store::JobHandle,
};

/// How long a job that an earlier kilnd began may take until its log is taken up by this one.
const ADOPTION: Duration = Duration::from_secs(10);

impl JobApi {
    pub(super) async fn log(
        &self,
        caller: &Caller,
        request: v1::ReadLogRequest,
    ) -> Result<Answers<v1::ReadLogResponse>, Status> {
        let v1::ReadLogRequest { id, offset, follow } = request;
        let id = incoming::job_id("id", &id)?;
        // Counted before the look at the record: see `Outputs::reading`.
        let reading = self.parts.outputs.reading(&id);
        let handle = self.find(caller, &id).await?;
        if let Work::Build(_) = handle.spec().work {
            return Err(status::is_build(&handle));
        }
        let (answers, stream) = answers();
        let api = self.clone();
        tokio::spawn(async move {
            let log = tokio::select! {
                log = api.opened(&handle, follow) => log,
                () = answers.closed() => return,
            };
            drop(handle);
            match log {
                Ok(Some(log)) => send(log.read_from(offset), follow, &answers, reading).await,
                Ok(None) => {}
                Err(status) => drop(answers.send(Err(status)).await),
            }
        });
        Ok(stream)
    }

    /// The job's log, waiting for it where somebody follows; `None` when nothing was ever written.
    pub(super) async fn opened(
        &self,
        handle: &Arc<JobHandle>,
        follow: bool,
    ) -> Result<Option<Log>, Status> {
        let live = live_or_ended(handle);
        let live = if follow {
            live.await
        } else if handle.recovery().started {
            timeout(ADOPTION, live).await.unwrap_or(None)
        } else {
            handle.log()
        };
        match live {
            Some(log) => Ok(Some(log)),
            None if handle.has_ended() => self.closed_log(handle).await,
            None => Ok(None),
        }
    }

    /// The log of a job that has ended, from its files; `None` when it never had one.
    pub(super) async fn closed_log(&self, handle: &JobHandle) -> Result<Option<Log>, Status> {
        let directory = self.directory(handle.id());
        // A job that ended before its work began has left nothing.
        match tokio::fs::try_exists(&directory).await {
            Ok(false) => return Ok(None),
            Ok(true) => {}
            Err(error) => return Err(status::read(&error)),
        }
        Log::closed(directory).await.map(Some).map_err(|error| status::log(&error))
    }
}

/// The log as it is written, once it is; `None` when the job has ended without one in this daemon.
pub(super) async fn live_or_ended(handle: &JobHandle) -> Option<Log> {
    let (mut logs, mut changes) = (handle.watch_log(), handle.watch());
    tokio::select! {
        biased;
        log = logs.wait_for(Option::is_some) => log.ok().and_then(|log| log.clone()),
        _ = changes.wait_for(Job::has_ended) => handle.log(),
    }
}

async fn send(
    mut reader: LogReader,
    follow: bool,
    answers: &mpsc::Sender<Result<v1::ReadLogResponse, Status>>,
    _reading: Reading,
) {
    loop {
        let next = async {
            if follow { reader.next_followed().await } else { reader.next_stored().await }
        };
        let next = tokio::select! {
            next = next => next,
            () = answers.closed() => return,
        };
        let answer = match next {
            Ok(None) => return,
            Ok(Some(event)) => Ok(outgoing::log_event(event)),
            Err(error) => Err(status::read(&error)),
        };
        let last = answer.is_err();
        if answers.send(answer).await.is_err() || last {
            return;
        }
    }
}
