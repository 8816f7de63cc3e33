//! A request's solution, and what is told of it meanwhile.
//!
//! ```text
//! Solve  ─────────────────────────────────▶ solution or failure
//! Status ──▶ status ──▶ status ──▶ … ───────────▶ status ──▶ end
//! ```
//!
//! What is told comes to its end behind the solution, and is heard to it.

use std::{future::Future, time::Duration};

use bollard_buildkit_proto::moby::buildkit::v1::{
    SolveRequest, SolveResponse, StatusRequest, StatusResponse, control_client::ControlClient,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_stream::StreamExt as _;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Response, Status, codegen::http::Uri};

use crate::{
    Failure, Report,
    engine::Calls,
    out::{Deaf, Teller},
};

/// As the engine's own.
const MAX_MESSAGE_BYTES: usize = 16 << 20;
/// Without a word behind the solution there is no more to come.
const SILENCE: Duration = Duration::from_secs(3);

#[derive(Debug, thiserror::Error)]
pub(crate) enum SolveError {
    #[error("the build failed")]
    Failed(Failure),
    #[error(transparent)]
    Deaf(#[from] Deaf),
}

/// A status, or what could not be done and why.
type Told = Result<StatusResponse, (&'static str, Status)>;

pub(crate) async fn solve(
    calls: Calls,
    request: SolveRequest,
    teller: &Teller,
) -> Result<SolveResponse, SolveError> {
    let mut solver = ControlClient::with_origin(calls, Uri::from_static("http://engine"))
        .max_decoding_message_size(MAX_MESSAGE_BYTES);
    let (to, told) = mpsc::channel(1);
    let watched = watch(solver.clone(), request.r#ref.clone(), to);
    let _watch = AbortOnDropHandle::new(tokio::spawn(watched));
    heard(solver.solve(request), told, teller).await
}

async fn watch(mut client: ControlClient<Calls>, build: String, to: mpsc::Sender<Told>) {
    let mut statuses = match client.status(StatusRequest { r#ref: build }).await {
        Ok(statuses) => statuses.into_inner(),
        Err(status) => {
            // Whoever does not listen any more needs no words, here and below.
            let _ = to.send(Err(("failed to get status", status))).await;
            return;
        }
    };
    while let Some(status) = statuses.next().await {
        let told = status.map_err(|status| ("failed to receive status", status));
        let is_end = told.is_err();
        if to.send(told).await.is_err() || is_end {
            return;
        }
    }
}

async fn heard<T>(
    solved: impl Future<Output = Result<Response<T>, Status>>,
    mut told: mpsc::Receiver<Told>,
    teller: &Teller,
) -> Result<T, SolveError> {
    let mut solved = std::pin::pin!(solved);
    let (mut solution, mut limit, mut broken) = (None, Instant::now(), None);
    loop {
        tokio::select! {
            end = &mut solved, if solution.is_none() => {
                solution = Some(end);
                limit = Instant::now() + SILENCE;
            }
            status = told.recv(), if broken.is_none() => match status {
                Some(Ok(status)) => {
                    teller.tell(Report::Progress(status)).await?;
                    // The time for which nobody listened does not count.
                    limit = Instant::now() + SILENCE;
                }
                Some(Err(error)) => broken = Some(Some(error)),
                None => broken = Some(None),
            },
            () = sleep_until(limit), if solution.is_some() => broken = Some(None),
        }
        let (Some(solution), Some(broken)) = (solution.take_if(|_| broken.is_some()), &broken)
        else {
            continue;
        };
        // What went wrong with what is told is the build's failure only where it has no other.
        return match (solution, broken) {
            (Err(status), _) => Err(Failure::of("failed to solve", &status)),
            (Ok(_), Some((doing, status))) => Err(Failure::of(doing, status)),
            (Ok(response), None) => Ok(response.into_inner()),
        }
        .map_err(SolveError::Failed);
    }
}

#[cfg(test)]
mod tests;
