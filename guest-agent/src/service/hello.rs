//! The greeting: the guest gets its clock, its randomness, its name and its network, and learns
//! whom to trust.

mod clock;
mod entropy;
mod hostname;
mod network;
mod secret;

use kiln_proto::agent::{
    PROTOCOL_VERSION,
    v1::{BootStep, HelloRequest, HelloResponse},
};
use tonic::Status;

use self::{entropy::Entropy, hostname::Hostname, network::Announced};
pub(crate) use self::{network::OnceNetwork, secret::Trust};
use super::Service;
use crate::milestones::Milestone;

/// What a greeting does beyond being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Greeting {
    /// The guest takes what it is given.
    Taken,
    /// The machine is not the agent's: what it is given is checked.
    Checked,
}

/// As the host shows it in a job's record.
const AGENT_VERSION: &str = env!("CARGO_PKG_VERSION");

impl Service {
    pub(super) async fn answer_hello(
        &self,
        request: HelloRequest,
    ) -> Result<HelloResponse, Status> {
        let HelloRequest { protocol_version, unix_nanos, entropy, hostname, secret, network } =
            request;
        if protocol_version != PROTOCOL_VERSION {
            return Err(Status::failed_precondition(format!(
                "the host speaks version {protocol_version} of the agent's protocol, \
                 this agent ({AGENT_VERSION}) speaks version {PROTOCOL_VERSION}"
            )));
        }
        // Everything is checked before anything is changed, by the secret last: one that came with
        // a hello that is no good is nobody's.
        let entropy = Entropy::try_from(&*entropy)?;
        let hostname = Hostname::try_from(hostname)?;
        let network = network.map(Announced::try_from).transpose()?;
        self.trust.show(&secret)?;
        if self.greeting == Greeting::Taken {
            entropy.add()?;
            clock::set(unix_nanos)?;
            hostname.set().await?;
            if let Some(network) = network {
                self.network.set_up(network, &self.engine).await?;
            }
        }
        Ok(HelloResponse {
            protocol_version: PROTOCOL_VERSION,
            agent_version: AGENT_VERSION.to_owned(),
            kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
            boot_steps: self.boot_steps(),
        })
    }

    fn boot_steps(&self) -> Vec<BootStep> {
        let step = |Milestone { name, at }| BootStep {
            name: String::from(name),
            monotonic_nanos: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
        };
        self.milestones.iter().map(step).collect()
    }
}
