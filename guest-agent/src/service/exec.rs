//! The stream of one command.

use std::time::Duration;

use kiln_proto::agent::v1::{ExecRequest, ExecStart, exec_request::Event};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::Service;
use crate::exec::{Answer, Answers};

/// How long an open stream may say nothing.
const START_LIMIT: Duration = Duration::from_secs(10);

pub(super) type ExecStream = ReceiverStream<Answer>;

impl Service {
    /// Answers at once; all else goes through the stream.
    pub(super) fn start_exec(
        &self,
        mut requests: Streaming<ExecRequest>,
    ) -> Result<ExecStream, Status> {
        if self.power.is_going_off() {
            return Err(Status::unavailable("the guest is shutting down"));
        }
        let (answers, stream) = Answers::channel();
        let engine = self.engine.clone();
        tokio::spawn(async move {
            match first(&mut requests).await {
                Ok(start) => engine.attend(start, requests, answers).await,
                Err(status) => answers.fail(status).await,
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}

async fn first(requests: &mut Streaming<ExecRequest>) -> Result<ExecStart, Status> {
    let request = timeout(START_LIMIT, requests.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no start within 10 s"))??;
    match request.and_then(|request| request.event) {
        Some(Event::Start(start)) => Ok(start),
        _ => Err(Status::invalid_argument("the first request is start")),
    }
}
