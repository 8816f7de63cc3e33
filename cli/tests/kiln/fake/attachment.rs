//! One attached client: a reader of the log, and a writer of stdin.

use std::sync::Arc;

use kiln_proto::v1::{
    self, attach_job_request::Event as Request, attach_job_response::Event as Response,
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};

use super::{
    State,
    guest::{Guest, Item},
    service::has_ended,
};

pub(super) type Responses = mpsc::Sender<Result<v1::AttachJobResponse, Status>>;

/// There is nothing more to do for this client.
struct Over;

pub(super) async fn serve(
    state: Arc<State>,
    guest: Arc<Guest>,
    offset: u64,
    requests: Streaming<v1::AttachJobRequest>,
    responses: Responses,
) {
    guest.attachments.send_modify(|count| *count += 1);
    let mine = *guest.attachments.borrow();
    guest.begin(&state);
    let mut newer = guest.attachments.subscribe();
    tokio::select! {
        () = async { drop(newer.wait_for(|&count| count != mine).await) } => {
            let _ = responses.send(Err(Status::aborted("another attachment took its place"))).await;
        }
        Err(Over) = write(&state, &guest, offset, &responses) => {}
        Err(Over) = read(&state, &guest, requests) => {}
    }
}

async fn write(
    state: &State,
    guest: &Guest,
    mut offset: u64,
    responses: &Responses,
) -> Result<(), Over> {
    let mut job = guest.job.subscribe();
    let mut changed = guest.changed.subscribe();
    let (mut index, mut taken, mut is_ready) = (0, 0, false);
    let mut shown = None;
    guest.has_read(offset);
    loop {
        changed.borrow_and_update();
        let now = job.borrow_and_update().clone();
        let summary = (now.state, now.phase, now.phases.len());
        if shown != Some(summary) && !has_ended(&now) {
            shown = Some(summary);
            respond(responses, Response::Job(now.clone())).await?;
        }
        let stdin = super::exec_of(&now).stdin;
        if stdin && !is_ready && now.phase() == v1::Phase::Building {
            (is_ready, taken) = (true, guest.stdin_taken());
            respond(responses, Response::StdinReady(v1::StdinTaken { offset: taken })).await?;
        }
        if is_ready && guest.stdin_taken() > taken {
            taken = guest.stdin_taken();
            respond(responses, Response::StdinTaken(v1::StdinTaken { offset: taken })).await?;
        }
        match guest.item(&mut index, offset) {
            Some(Item::Output { offset: start, stream, bytes }) => {
                let length = bytes.len() as u64;
                let event = match stream {
                    v1::Stream::Stderr => Response::Stderr(bytes),
                    _ => Response::Stdout(bytes),
                };
                respond(responses, event).await?;
                // Lets the transport send what it has, so that messages are not joined.
                tokio::task::yield_now().await;
                offset = start + length;
                guest.has_read(offset);
                state.sent.send_modify(|sent| *sent += length);
            }
            Some(Item::Broken(status)) => {
                if let Some(status) = status {
                    let _ = responses.send(Err(status)).await;
                }
                return Err(Over);
            }
            None if has_ended(&now) => {
                let _ = respond(responses, Response::Job(now)).await;
                return Err(Over);
            }
            None => tokio::select! {
                _ = changed.changed() => {}
                _ = job.changed() => {}
            },
        }
    }
}

async fn respond(responses: &Responses, event: Response) -> Result<(), Over> {
    let response = v1::AttachJobResponse { event: Some(event) };
    responses.send(Ok(response)).await.map_err(|_| Over)
}

async fn read(
    state: &State,
    guest: &Guest,
    mut requests: Streaming<v1::AttachJobRequest>,
) -> Result<(), Over> {
    loop {
        let request = match requests.message().await {
            Ok(Some(request)) => request,
            // A client that says no more may still listen.
            Ok(None) => std::future::pending().await,
            Err(_) => return Err(Over),
        };
        match request.event {
            Some(Request::Stdin(bytes)) => guest.take_stdin(state, &bytes).await,
            Some(Request::StdinClosed(_)) => guest.close_stdin(state),
            Some(Request::Resize(size)) => state.resizes.send_modify(|all| all.push(size)),
            Some(Request::Signal(number)) => state.signals.send_modify(|all| all.push(number)),
            other => panic!("not after the first: {other:?}"),
        }
    }
}
