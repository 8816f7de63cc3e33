//! Agents of ssh that steps may ask.

mod agent;
mod proxy;

use std::{collections::HashMap, path::PathBuf, pin::Pin};

use bollard_buildkit_proto::moby::sshforward::v1::{
    BytesMessage, CheckAgentRequest, CheckAgentResponse, ssh_server,
};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use self::agent::Agent;
pub(crate) use self::agent::SshError;
use crate::{Ssh, SshFrom};

const DEFAULT: &str = "default";

/// Sockets by what they are asked for as.
#[derive(Debug, Default)]
pub(crate) struct Agents {
    sockets: HashMap<String, PathBuf>,
    /// Those that were started for keys; they end with the build.
    started: Vec<Agent>,
}

impl Agents {
    pub(crate) async fn start(ssh: &[Ssh]) -> Result<Self, SshError> {
        let mut agents = Self::default();
        for Ssh { id, from } in ssh {
            let socket = match from {
                SshFrom::Socket(socket) => socket.clone(),
                SshFrom::Key(key) => {
                    let agent = Agent::start(id, key).await?;
                    let socket = agent.socket();
                    agents.started.push(agent);
                    socket
                }
            };
            agents.sockets.insert(id.clone(), socket);
        }
        Ok(agents)
    }

    fn socket(&self, id: &str) -> Result<&PathBuf, Status> {
        let id = if id.is_empty() { DEFAULT } else { id };
        let unset = || Status::unknown(format!("unset ssh forward key {id}"));
        self.sockets.get(id).ok_or_else(unset)
    }
}

#[async_trait]
impl ssh_server::Ssh for Agents {
    type ForwardAgentStream = Pin<Box<dyn Stream<Item = Result<BytesMessage, Status>> + Send>>;

    async fn check_agent(
        &self,
        request: Request<CheckAgentRequest>,
    ) -> Result<Response<CheckAgentResponse>, Status> {
        self.socket(&request.get_ref().id)?;
        Ok(Response::new(CheckAgentResponse {}))
    }

    async fn forward_agent(
        &self,
        request: Request<Streaming<BytesMessage>>,
    ) -> Result<Response<Self::ForwardAgentStream>, Status> {
        let id = request.metadata().get("buildkit.ssh.id");
        let socket = self.socket(id.and_then(|id| id.to_str().ok()).unwrap_or_default())?;
        let answers = proxy::begin(socket, request.into_inner()).await?;
        Ok(Response::new(Box::pin(answers)))
    }
}
