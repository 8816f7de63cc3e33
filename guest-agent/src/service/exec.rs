//! The stream of one command.

use std::{sync::Arc, time::Duration};

use kiln_proto::agent::v1::{BuildStart, ExecRequest, exec_request::Event};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::Service;
use crate::{
    build::{Asked, Builds, Parts},
    exec::{Answer, Answers, Start},
    machine::{self, Machine},
};

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
        let (engine, builds) = (self.engine.clone(), Arc::clone(&self.builds));
        let machine = self.machine.clone();
        tokio::spawn(async move {
            match first(&mut requests, builds, machine).await {
                Ok(start) => engine.attend(start, requests, answers).await,
                Err(status) => answers.fail(status).await,
            }
        });
        Ok(ReceiverStream::new(stream))
    }
}

/// Parts come before what they are of.
async fn first(
    requests: &mut Streaming<ExecRequest>,
    builds: Arc<Builds>,
    machine: Option<Arc<Machine>>,
) -> Result<Start, Status> {
    let mut parts = None::<Parts>;
    loop {
        let request = timeout(START_LIMIT, requests.message())
            .await
            .map_err(|_| Status::deadline_exceeded("no start within 10 s"))??;
        match request.and_then(|request| request.event) {
            Some(Event::Start(start)) if parts.is_none() => return Ok(Start::Command(start)),
            Some(Event::Build(start)) => return build(start, parts.unwrap_or_default(), builds),
            Some(Event::Boot(start)) if parts.is_none() => {
                let untold = format!("the kernel of this guest was not told {}", machine::WORD);
                let machine = machine.ok_or_else(|| Status::failed_precondition(untold))?;
                let start = Start::boot(start, machine);
                return start.map_err(|invalid| Status::invalid_argument(invalid.to_string()));
            }
            Some(Event::Part(part)) => {
                let taken = parts.get_or_insert_default().take(part);
                taken.map_err(|invalid| Status::invalid_argument(invalid.to_string()))?;
            }
            _ => return Err(Status::invalid_argument("start stands first, or a build's parts")),
        }
    }
}

fn build(start: BuildStart, parts: Parts, builds: Arc<Builds>) -> Result<Start, Status> {
    let start = Start::build(Asked { start, parts }, builds);
    start.map_err(|invalid| Status::invalid_argument(invalid.to_string()))
}
