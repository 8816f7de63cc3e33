//! Pulls and pushes: how far they are, then what came of them.
//!
//! ```text
//! operation ──each step──▶ board: the latest of each part ──▶ answers, as fast as they are read
//!      └──▶ what is left on the board, then the result, or the status
//! ```
//! A reader that is slow misses steps and holds nothing up; one that goes away ends the operation.
//! What has arrived by then stays.

use std::{
    collections::HashMap,
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use kiln_proto::v1::{
    self, pull_image_response::Event as Pulled, push_image_response::Event as Pushed,
};
use kiln_registry::{
    digest::Digest,
    operate::{OperateError, Progress, Transfer},
};
use tokio::sync::{Notify, mpsc};
use tonic::Status;

use super::{
    incoming::{Pull, Push},
    outgoing, status,
};
use crate::{
    api::jobs::{Answers, answers},
    registry::Service,
};

pub(super) fn pull(service: Arc<Service>, pull: Pull) -> Answers<v1::PullImageResponse> {
    let (answers, stream) = answers();
    tokio::spawn(async move {
        let Pull { reference, platforms } = pull;
        let (board, progress) = Board::new();
        let caller = service.local_caller();
        let pulling = service.images().pull(&caller, &reference, &platforms, &progress);
        let answer = |event| v1::PullImageResponse { event: Some(event) };
        let result =
            async { pulling.await.map(|pulled| answer(Pulled::Result(outgoing::pulled(&pulled)))) };
        let step = |transfer| answer(Pulled::Transfer(outgoing::transfer(transfer)));
        Box::pin(follow(result, &board, step, &answers)).await;
    });
    stream
}

pub(super) fn push(service: Arc<Service>, push: Push) -> Answers<v1::PushImageResponse> {
    let (answers, stream) = answers();
    tokio::spawn(async move {
        let Push { source, target } = push;
        let (board, progress) = Board::new();
        let caller = service.local_caller();
        let pushing = service.images().push(&caller, &source, Some(&target), &progress);
        let answer = |event| v1::PushImageResponse { event: Some(event) };
        let result =
            async { pushing.await.map(|pushed| answer(Pushed::Result(outgoing::pushed(&pushed)))) };
        let step = |transfer| answer(Pushed::Transfer(outgoing::transfer(transfer)));
        Box::pin(follow(result, &board, step, &answers)).await;
    });
    stream
}

/// The latest of each part that has not been told.
#[derive(Debug, Default)]
struct Board {
    steps: Mutex<HashMap<Digest, Transfer>>,
    news: Notify,
}

impl Board {
    fn new() -> (Arc<Self>, Progress) {
        let board = Arc::new(Self::default());
        let writer = Arc::clone(&board);
        let progress: Progress = Arc::new(move |transfer: Transfer| {
            let mut steps = writer.steps.lock().unwrap_or_else(PoisonError::into_inner);
            steps.insert(transfer.digest, transfer);
            writer.news.notify_one();
        });
        (board, progress)
    }

    fn take(&self) -> impl Iterator<Item = Transfer> + use<> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut *steps).into_values()
    }
}

async fn follow<T>(
    result: impl Future<Output = Result<T, OperateError>>,
    board: &Board,
    step: impl Fn(Transfer) -> T,
    answers: &mpsc::Sender<Result<T, Status>>,
) {
    let tell = async || {
        for transfer in board.take() {
            // That nobody listens any more is noticed below.
            let _ = answers.send(Ok(step(transfer))).await;
        }
    };
    let telling = async {
        loop {
            board.news.notified().await;
            tell().await;
        }
    };
    let result = tokio::select! {
        result = result => result,
        () = telling => return,
        () = answers.closed() => return,
    };
    tell().await;
    let _ = answers.send(result.map_err(|error| status::operate(&error))).await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_stream::StreamExt as _;

    use super::*;

    fn step(byte: u8, done: u64) -> Transfer {
        Transfer { digest: Digest::of(&[byte]), done, total: 9, present: false }
    }

    /// What a client reads; with `Ok(None)` for the result.
    async fn read(mut stream: Answers<Option<Transfer>>) -> (Vec<Transfer>, Result<(), Status>) {
        let mut steps = Vec::new();
        while let Some(answer) = stream.next().await {
            match answer {
                Ok(Some(step)) => steps.push(step),
                Ok(None) => return (steps, Ok(())),
                Err(status) => return (steps, Err(status)),
            }
        }
        panic!("no end");
    }

    #[tokio::test]
    async fn a_reader_that_is_slow_gets_the_latest_step_of_each_part() {
        let (answers, stream) = answers();
        let (board, progress) = Board::new();
        let work = async {
            for done in 0..=9 {
                progress(step(1, done));
                progress(step(2, done));
                tokio::task::yield_now().await;
            }
            Ok(None)
        };
        let ((), (steps, result)) =
            tokio::join!(follow(work, &board, Some, &answers), read(stream));
        assert!(result.is_ok());
        for byte in [1, 2] {
            let last = steps.iter().rfind(|one| one.digest == Digest::of(&[byte]));
            assert_eq!(last, Some(&step(byte, 9)));
        }
    }

    #[tokio::test]
    async fn what_goes_wrong_comes_last() {
        let (answers, stream) = answers();
        let (board, progress) = Board::new();
        let work = async {
            progress(step(1, 5));
            let reference = "local/app:1".to_owned();
            Err(OperateError::NotFound { reference })
        };
        let ((), (steps, result)) =
            tokio::join!(follow(work, &board, Some, &answers), read(stream));
        assert_eq!(steps, [step(1, 5)]);
        assert_eq!(result.unwrap_err().code(), tonic::Code::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_goes_ends_the_operation() {
        let (answers, stream) = answers::<Option<Transfer>>();
        let (board, _progress) = Board::new();
        drop(stream);
        let following = follow(std::future::pending(), &board, Some, &answers);
        tokio::time::timeout(Duration::from_secs(1), following).await.unwrap();
    }
}
