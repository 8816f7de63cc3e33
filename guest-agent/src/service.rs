//! `kiln.agent.v1.Agent`, as the host sees it.

mod disks;
mod exec;
mod hello;
mod online;

use std::sync::Arc;

use kiln_proto::agent::v1::{
    ExecRequest, HelloRequest, HelloResponse, OnlineRequest, OnlineResponse, PackRequest,
    ShutdownRequest, ShutdownResponse, SshFrame, StartEngineRequest, StartEngineResponse,
    UnpackRequest, agent_server::Agent,
};
use tokio::sync::{Notify, OnceCell};
use tonic::{Request, Response, Status, Streaming, async_trait};

pub(crate) use self::hello::Greeting;
use self::hello::{OnceNetwork, Trust};
use crate::{
    build::{Builds, Layout, SshStream},
    disks::Disks,
    exec::Engine,
    machine::Machine,
    milestones::Milestones,
    power::Power,
    transfer::Transfers,
};

/// What a connection has come to; each has its own.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// Set by the one hello that was answered; others wait for the one that is being answered.
    greeted: OnceCell<()>,
}

/// The agent behind all connections.
pub(crate) struct Service {
    pub(crate) engine: Engine,
    pub(crate) milestones: Milestones,
    pub(crate) power: Power,
    /// Told when the first host was answered: what can wait until then has waited for this.
    pub(crate) greeted: Arc<Notify>,
    builds: Arc<Builds>,
    transfers: Arc<Transfers>,
    /// In a guest in which process 1 waits for what it is to become.
    machine: Option<Arc<Machine>>,
    greeting: Greeting,
    trust: Trust,
    network: OnceNetwork,
}

impl Service {
    pub(crate) fn new(
        engine: Engine,
        disks: Arc<dyn Disks>,
        milestones: Milestones,
        power: Power,
        greeting: Greeting,
        layout: Option<Layout>,
    ) -> Self {
        let (greeted, trust, network) = Default::default();
        let transfers = Arc::new(Transfers::new(Arc::clone(&disks)));
        let builds = Builds::new(layout, disks, Arc::clone(&transfers), engine.clone());
        let (builds, machine) = (Arc::new(builds), None);
        Self {
            engine,
            milestones,
            power,
            greeted,
            builds,
            transfers,
            machine,
            greeting,
            trust,
            network,
        }
    }

    /// Roots are booted there.
    pub(crate) fn with_machine(self, machine: Option<Arc<Machine>>) -> Self {
        Self { machine, ..self }
    }
}

#[async_trait]
impl Agent for Service {
    async fn hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloResponse>, Status> {
        let connection = connection(&request)?;
        let mut answer = None;
        let answering = async {
            answer = Some(self.answer_hello(request.into_inner()).await?);
            Ok::<_, Status>(())
        };
        connection.greeted.get_or_try_init(|| answering).await?;
        let answer = answer
            .ok_or_else(|| Status::failed_precondition("this connection has said hello before"))?;
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

    type UnpackStream = disks::DiskStream;

    async fn unpack(
        &self,
        request: Request<UnpackRequest>,
    ) -> Result<Response<Self::UnpackStream>, Status> {
        greeted(&request)?;
        Ok(Response::new(self.transfer(request.into_inner())?))
    }

    type PackStream = disks::DiskStream;

    async fn pack(
        &self,
        request: Request<PackRequest>,
    ) -> Result<Response<Self::PackStream>, Status> {
        greeted(&request)?;
        Ok(Response::new(self.transfer(request.into_inner())?))
    }

    async fn start_engine(
        &self,
        request: Request<StartEngineRequest>,
    ) -> Result<Response<StartEngineResponse>, Status> {
        greeted(&request)?;
        self.builds.start_engine(request.into_inner()).await.map(Response::new)
    }

    type RelaySshStream = SshStream;

    async fn relay_ssh(
        &self,
        request: Request<Streaming<SshFrame>>,
    ) -> Result<Response<Self::RelaySshStream>, Status> {
        greeted(&request)?;
        Ok(Response::new(self.builds.relay_ssh(request.into_inner())))
    }

    async fn online(
        &self,
        request: Request<OnlineRequest>,
    ) -> Result<Response<OnlineResponse>, Status> {
        greeted(&request)?;
        Ok(Response::new(self.take_into_use().await?))
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
    if connection(request)?.greeted.initialized() {
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
