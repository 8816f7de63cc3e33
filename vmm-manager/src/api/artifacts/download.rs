//! The bytes of an artifact, or a part of them.

use std::io;

use bytes::Bytes;
use kiln_proto::v1;
use kiln_registry::content::{Chunks, Part};
use tokio::{sync::mpsc, task::spawn_blocking};
use tokio_stream::StreamExt as _;
use tonic::Status;

use crate::{
    api::{
        jobs::{Answers, answers},
        status,
    },
    build::artifact::{Artifact, Body},
    job::JobId,
    output::{OutputError, OutputReader, Outputs, Reading},
};

/// So many bytes from an offset, all of which are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) offset: u64,
    pub(super) length: u64,
}

impl Range {
    /// What of it lies behind the end is left out.
    pub(super) fn of(asked: &v1::DownloadArtifactRequest, size: u64) -> Result<Self, Status> {
        let v1::DownloadArtifactRequest { job_id: _, name: _, offset, length } = *asked;
        let left = size.checked_sub(offset).ok_or_else(|| {
            Status::out_of_range(format!("it has {size} bytes, and offset {offset} is behind them"))
        })?;
        Ok(Self { offset, length: if length == 0 { left } else { length.min(left) } })
    }
}

type Response = v1::DownloadArtifactResponse;

pub(super) async fn download(
    outputs: &Outputs,
    job: &JobId,
    artifact: Artifact,
    range: Range,
    reading: Reading,
) -> Result<Answers<Response>, Status> {
    let Artifact { name, body, .. } = artifact;
    let Range { offset, length } = range;
    let (answers, stream) = answers();
    match body {
        Body::Expired => return Err(status::output(&name, &OutputError::Expired)),
        Body::Tar(plan) => {
            let chunks = plan.read(Some(Part { start: offset, length }));
            tokio::spawn(async move {
                // For as long as it is read, what retention removes is put off.
                let _reading = reading;
                send_tar(chunks, &name, &answers).await;
            });
        }
        Body::Output(record) => {
            let (outputs, job) = (outputs.clone(), job.clone());
            let opened = spawn_blocking(move || outputs.read(&job, &record, offset, reading)).await;
            let opened = opened.map_err(|_| Status::internal("the output could not be opened"))?;
            let reader = opened.map_err(|error| status::output(&name, &error))?;
            tokio::spawn(async move { send_output(reader, length, &name, &answers).await });
        }
    }
    Ok(stream)
}

async fn send_tar(
    mut chunks: Chunks,
    name: &str,
    answers: &mpsc::Sender<Result<Response, Status>>,
) {
    while let Some(chunk) = chunks.next().await {
        let answer = match chunk {
            Ok(data) => Ok(Response { data }),
            Err(error) => Err(unreadable(name, &error)),
        };
        let is_last = answer.is_err();
        if answers.send(answer).await.is_err() || is_last {
            return;
        }
    }
}

async fn send_output(
    mut reader: OutputReader,
    mut left: u64,
    name: &str,
    answers: &mpsc::Sender<Result<Response, Status>>,
) {
    while left > 0 {
        let answer = match reader.next().await {
            Ok(None) => return,
            Ok(Some(data)) => Ok(Response { data: cut(data, &mut left) }),
            Err(source) => Err(status::output(name, &OutputError::Io { source })),
        };
        let is_last = answer.is_err();
        if answers.send(answer).await.is_err() || is_last {
            return;
        }
    }
}

fn cut(mut data: Bytes, left: &mut u64) -> Bytes {
    data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
    *left -= data.len() as u64;
    data
}

/// What was there when it was begun may have expired since.
pub(super) fn unreadable(name: &str, error: &io::Error) -> Status {
    Status::aborted(format!("{name} could not be read on: {error}"))
}
