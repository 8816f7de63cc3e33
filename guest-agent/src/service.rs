//! `kiln.agent.v1.Agent`, as the host sees it.

mod exec;
mod hello;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use kiln_proto::agent::v1::{
    ExecRequest, HelloRequest, HelloResponse, ShutdownRequest, ShutdownResponse,
    agent_server::Agent,
};
use tokio::sync::{Notify, Semaphore};
use tonic::{Request, Response, Status, Streaming, async_trait};

use crate::{exec::Engine, milestones::Milestones, power::Power};

/// More than a job has ever asked for at once; each may hold a few chunks of memory.
const MAX_COMMANDS: usize = 64;

/// What a connection has come to; each has its own.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    greeted: AtomicBool,
}

/// The agent behind all connections.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) milestones: Milestones,
    pub(crate) power: Power,
    /// Told when the first host was answered: what can wait until then has waited for this.
    pub(crate) greeted: Arc<Notify>,
    /// One permit for each command that runs.
    commands: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(engine: Engine, milestones: Milestones, power: Power) -> Self {
        let commands = Arc::new(Semaphore::new(MAX_COMMANDS));
        Self { engine, milestones, power, greeted: Arc::default(), commands }
    }
}

#[async_trait]
impl Agent for Service {
    async fn hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloResponse>, Status> {
        let connection = connection(&request)?;
        if connection.greeted.load(Ordering::Relaxed) {
            return Err(Status::failed_precondition("this connection has said hello before"));
        }
        let answer = self.answer_hello(request.into_inner()).await?;
        connection.greeted.store(true, Ordering::Relaxed);
        self.greeted.notify_one();
        Ok(Response::new(answer))
    }

    type ExecStream = exec::ExecStream;

    async fn exec(
        &self,
        request: Request<Streaming<ExecRequest>>,
    ) -> Result<Response<Self::ExecStream>, Status> {
        greeted(&request)?;
        Ok(Response::new(self.start_exec(request.into_inner())?))
    }

    async fn shutdown(
        &self,
        request: Request<ShutdownRequest>,
    ) -> Result<Response<ShutdownResponse>, Status> {
        greeted(&request)?;
        self.power.off();
        Ok(Response::new(ShutdownResponse {}))
    }
}

fn greeted<T>(request: &Request<T>) -> Result<(), Status> {
    if connection(request)?.greeted.load(Ordering::Relaxed) {
        Ok(())
    } else {
        Err(Status::failed_precondition("hello comes first"))
    }
}

fn connection<T>(request: &Request<T>) -> Result<Arc<Connection>, Status> {
    // The server puts it there for each request.
    let connection = request.extensions().get::<Arc<Connection>>().cloned();
    connection.ok_or_else(|| Status::internal("the connection is unknown"))
}
