//! `ReadBuildLog`: what steps wrote and came to, of a build that runs and of one that has ended.

use std::sync::Arc;

use kiln_proto::v1;
use tokio::sync::mpsc;
use tonic::Status;

use crate::{
    api::{
        builds::BuildApi,
        field::InvalidField,
        jobs::{Answers, answers},
        outgoing::build as outgoing,
        status,
    },
    build::reader::{ReadError, Reader},
    job::Job,
    output::Reading,
    store::JobHandle,
};

impl BuildApi {
    /// `reading` was counted before the build was looked at: see `Outputs::reading`.
    pub(super) fn log(
        &self,
        handle: Arc<JobHandle>,
        offset: u64,
        follow: bool,
        reading: Reading,
    ) -> Answers<v1::ReadBuildLogResponse> {
        let (answers, stream) = answers();
        let jobs = self.jobs.clone();
        tokio::spawn(async move {
            let log = tokio::select! {
                log = jobs.opened(&handle, follow) => log,
                () = answers.closed() => return,
            };
            let mut changes = handle.watch();
            drop(handle);
            match log {
                Ok(Some(log)) => {
                    let reader = Reader::new(&log, offset);
                    if send(reader, offset, follow, &answers, reading).await && follow {
                        // A log is over while exports are still on their way.
                        tokio::select! {
                            () = async { drop(changes.wait_for(Job::has_ended).await) } => {}
                            () = answers.closed() => {}
                        }
                    }
                }
                Ok(None) => {}
                Err(status) => drop(answers.send(Err(status)).await),
            }
        });
        stream
    }
}

/// Whether its end was reached.
async fn send(
    mut reader: Reader,
    asked: u64,
    follow: bool,
    answers: &mpsc::Sender<Result<v1::ReadBuildLogResponse, Status>>,
    _reading: Reading,
) -> bool {
    loop {
        let next = async {
            if follow { reader.next_followed().await } else { reader.next_stored().await }
        };
        let next = tokio::select! {
            next = next => next,
            () = answers.closed() => return false,
        };
        let answer = match next {
            Ok(None) => return true,
            Ok(Some(entry)) => match outgoing::entry(entry) {
                Some(answer) => Ok(answer),
                None => continue,
            },
            Err(error) => Err(wrong(&error, asked)),
        };
        let last = answer.is_err();
        if answers.send(answer).await.is_err() || last {
            return false;
        }
    }
}

fn wrong(error: &ReadError, asked: u64) -> Status {
    match error {
        ReadError::Log(cause) => status::read(cause),
        ReadError::NoEvent { offset, .. } if *offset == asked && asked > 0 => {
            let problem = format!("{error}; take an earlier answer's `next_offset`, or 0");
            InvalidField::new("offset", problem).into()
        }
        ReadError::NoEvent { .. } => {
            Status::data_loss(format!("the build's log is damaged: {}", status::words(error)))
        }
    }
}
