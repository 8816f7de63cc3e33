//! One attached client: its stdin to the job, the job's output and changes to it.

use std::sync::Arc;

use bytes::Bytes;
use kiln_proto::v1::{self, attach_job_request, attach_job_response::Event};
use tokio::{sync::mpsc, task::JoinSet};
use tonic::{Status, Streaming};

use super::{field::InvalidField, outgoing};
use crate::{
    job::Work,
    store::{Attachment, JobHandle},
    stream::Stream,
};

type Answers = mpsc::Sender<Result<v1::AttachJobResponse, Status>>;

/// Ends when the job has ended and everything it wrote has been sent, or the client is gone.
pub(super) async fn serve(
    handle: Arc<JobHandle>,
    attachment: Attachment,
    requests: Streaming<v1::AttachJobRequest>,
    answers: Answers,
) {
    let Attachment { stdin, mut output } = attachment;
    let Work::Exec(exec) = &handle.spec().work;
    // A task of its own: a command that does not read must not hold up its output. It ends with
    // this one.
    let mut input = JoinSet::new();
    input.spawn(forward(requests, exec.stdin.then_some(stdin)));
    let mut changes = handle.watch();
    if send_job(&handle, &answers).await.is_err() {
        return;
    }
    let mut flowing = true;
    loop {
        let sent = tokio::select! {
            // Output first: the job's end is told behind the last byte, whose channel the job
            // lets go of before it publishes its end.
            biased;
            chunk = output.recv(), if flowing => match chunk {
                Some((stream, data)) => answers.send(Ok(chunk_of(stream, data))).await.is_ok(),
                None => { flowing = false; true }
            },
            Some(refused) = input.join_next() => match refused {
                Ok(Err(status)) => { let _ = answers.send(Err(status)).await; false }
                Ok(Ok(())) | Err(_) => true,
            },
            changed = changes.changed(), if !ended(&changes) => {
                changed.is_ok() && (ended(&changes) || send_job(&handle, &answers).await.is_ok())
            }
            () = answers.closed() => false,
        };
        if !sent {
            return;
        }
        if !flowing && ended(&changes) {
            let _ = send_job(&handle, &answers).await;
            return;
        }
    }
}

fn ended(changes: &tokio::sync::watch::Receiver<crate::job::Job>) -> bool {
    changes.borrow().has_ended()
}

async fn send_job(handle: &JobHandle, answers: &Answers) -> Result<(), ()> {
    let event = Some(Event::Job(outgoing::job(&handle.snapshot())));
    answers.send(Ok(v1::AttachJobResponse { event })).await.map_err(|_| ())
}

fn chunk_of(stream: Stream, data: Bytes) -> v1::AttachJobResponse {
    let event = match stream {
        Stream::Stdout => Event::Stdout(data),
        Stream::Stderr => Event::Stderr(data),
    };
    v1::AttachJobResponse { event: Some(event) }
}

/// Carries stdin until its end. What comes after that end, or to a job without stdin, is refused.
async fn forward(
    mut requests: Streaming<v1::AttachJobRequest>,
    mut stdin: Option<mpsc::Sender<Bytes>>,
) -> Result<(), Status> {
    // An error here is the client's stream breaking, which its answers' channel tells too.
    while let Ok(Some(request)) = requests.message().await {
        match (request.event, &stdin) {
            (Some(attach_job_request::Event::Stdin(bytes)), Some(open)) => {
                // When nobody takes it, the command is over or reads no more: let it run dry.
                let _ = open.send(bytes).await;
            }
            (Some(attach_job_request::Event::Stdin(_)), None) => {
                return Err(InvalidField::new("stdin", "the job keeps no stdin open").into());
            }
            (Some(attach_job_request::Event::StdinClosed(_)), _) => stdin = None,
            (Some(attach_job_request::Event::Id(_)), _) => {
                return Err(InvalidField::new("id", "comes first, and only first").into());
            }
            (None, _) => return Err(InvalidField::new("event", "is missing").into()),
        }
    }
    Ok(())
}
