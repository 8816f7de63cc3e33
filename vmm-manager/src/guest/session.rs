//! A greeted guest.

use std::{sync::Arc, time::Duration};

use kiln_proto::agent::{
    MAX_MESSAGE_BYTES, PROTOCOL_VERSION,
    v1::{self, agent_client::AgentClient},
};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Code, Request, Status, codegen::http::Uri};

use super::{
    BootCommand, BuildCommand, Command, DiskEnd, Engine, ExecInput, ExecOutput, GuestError,
    GuestHello, Online, Pack, SshRelay, StartEngine, Unpack,
    exec::{self, Exchange},
    relay,
    said::Said,
    text,
    wire::{Hold, PING_TIMEOUT, Wire},
};

/// A greeting is a few hundred bytes.
const MAX_HELLO_BYTES: usize = 64 * 1024;

/// An agent that was greeted. Clones share the one connection, which ends when the last of them,
/// and of the commands' inputs and outputs, is dropped.
#[derive(Clone, Debug)]
pub struct Guest {
    session: Arc<Session>,
}

impl Guest {
    pub(super) fn new(session: Session) -> Self {
        Self { session: Arc::new(session) }
    }

    /// Asks for a command to be run. Its output tells whether it was.
    ///
    /// A command that was begun before under the same id is taken up again, on this connection or
    /// another; an agent that cannot do that answers [`AgentCode::FailedPrecondition`].
    ///
    /// # Cancel safety
    /// Safe: the agent kills a command without an id whose stream is reset. One with an id may have
    /// begun, and can be asked for again.
    ///
    /// [`AgentCode::FailedPrecondition`]: super::AgentCode::FailedPrecondition
    pub async fn exec(&self, command: Command) -> Result<(ExecInput, ExecOutput), GuestError> {
        let limit = command.start_limit;
        self.exchange(exec::begin(command), limit).await
    }

    /// Asks for a build, which is begun once however often it is asked for, and is taken up again as
    /// a command with an id is. All of its output is stdout.
    ///
    /// # Cancel safety
    /// Safe: it may have begun, and can be asked for again.
    pub async fn build(
        &self,
        command: BuildCommand,
    ) -> Result<(ExecInput, ExecOutput), GuestError> {
        let limit = command.start_limit;
        self.exchange(exec::begin_build(command), limit).await
    }

    /// Has process 1 become the init of a root filesystem, which is taken up again as a command with an
    /// id is. Its console is stdout.
    ///
    /// # Cancel safety
    /// Safe: it may have begun, and can be asked for again.
    pub async fn boot(&self, command: BootCommand) -> Result<(ExecInput, ExecOutput), GuestError> {
        let limit = command.start_limit;
        self.exchange(exec::begin_boot(command), limit).await
    }

    async fn exchange(
        &self,
        exchange: Exchange,
        limit: Duration,
    ) -> Result<(ExecInput, ExecOutput), GuestError> {
        let start_by = Instant::now() + limit;
        let Exchange { input, requests, responses } = exchange;
        let (request, said) = overheard(requests);
        let mut client = self.session.client.clone();
        let answer = timeout_at(start_by, client.exec(request))
            .await
            .map_err(|_| GuestError::Silent { phase: exec::PHASE, limit })?;
        match answer {
            Ok(stream) => {
                let session = Arc::clone(&self.session);
                Ok((input, responses.of(session, stream.into_inner(), said, start_by, limit)))
            }
            Err(status) => Err(self.session.failure(exec::PHASE, &status, &said).await),
        }
    }

    /// Brings what a source disk carries into the guest.
    ///
    /// # Cancel safety
    /// Safe: the agent goes on, and says how it ended when it is asked again.
    pub async fn unpack(&self, unpack: Unpack) -> Result<DiskEnd, GuestError> {
        let (request, patience) = unpack.request();
        let (request, said) = overheard(request);
        let mut client = self.session.client.clone();
        match patience.wait(client.unpack(request)).await? {
            Ok(answer) => patience.until_end(&self.session, answer.into_inner(), &said).await,
            Err(status) => Err(self.session.failure(patience.phase, &status, &said).await),
        }
    }

    /// Writes a part of the guest's file system to an output disk.
    ///
    /// # Cancel safety
    /// Safe, as [`Guest::unpack`] is.
    pub async fn pack(&self, pack: Pack) -> Result<DiskEnd, GuestError> {
        let (request, patience) = pack.request();
        let (request, said) = overheard(request);
        let mut client = self.session.client.clone();
        match patience.wait(client.pack(request)).await? {
            Ok(answer) => patience.until_end(&self.session, answer.into_inner(), &said).await,
            Err(status) => Err(self.session.failure(patience.phase, &status, &said).await),
        }
    }

    /// Makes the build engine ready. Asked again, the agent says what came of the first time.
    ///
    /// # Cancel safety
    /// Safe: the guest goes on, and can be asked again.
    pub async fn start_engine(&self, start: StartEngine) -> Result<Engine, GuestError> {
        const PHASE: &str = "the engine's start";
        let limit = start.limit;
        let mut client = self.session.client.clone().max_decoding_message_size(MAX_HELLO_BYTES);
        let (request, said) = overheard(start.into());
        let answer: Result<tonic::Response<v1::StartEngineResponse>, Status> =
            timeout(limit, client.start_engine(request))
                .await
                .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        match answer {
            Ok(response) => response.into_inner().try_into(),
            Err(status) => Err(self.session.failure(PHASE, &status, &said).await),
        }
    }

    /// Carries what a build says to the ssh agents of its client, until the relay is dropped. `ids`
    /// are those that it may ask for.
    ///
    /// # Cancel safety
    /// Safe: a relay that nobody holds ends its connections.
    pub async fn relay_ssh(
        &self,
        ids: Vec<String>,
        limit: Duration,
    ) -> Result<SshRelay, GuestError> {
        let (requests, opened) = relay::begin(ids);
        let (request, said) = overheard(requests);
        let mut client = self.session.client.clone();
        let answer = timeout(limit, client.relay_ssh(request))
            .await
            .map_err(|_| GuestError::Silent { phase: relay::PHASE, limit })?;
        match answer {
            Ok(stream) => Ok(opened.of(Arc::clone(&self.session), stream.into_inner(), said)),
            Err(status) => Err(self.session.failure(relay::PHASE, &status, &said).await),
        }
    }

    /// Has the guest take into use what was added to its machine, and answers what it then uses.
    /// The guest learns of an addition a moment after the VMM has made it, so who waits for one
    /// asks again.
    ///
    /// # Cancel safety
    /// Safe: the guest goes on, and can be asked again.
    pub async fn online(&self, limit: Duration) -> Result<Online, GuestError> {
        const PHASE: &str = "taking devices into use";
        let mut client = self.session.client.clone();
        let (request, said) = overheard(v1::OnlineRequest {});
        let answer = timeout(limit, client.online(request))
            .await
            .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        match answer {
            Ok(response) => response.into_inner().try_into(),
            Err(status) => Err(self.session.failure(PHASE, &status, &said).await),
        }
    }

    /// Asks the guest to switch itself off. An answer that was lost with the guest is as good.
    pub async fn shut_down(&self, limit: Duration) -> Result<(), GuestError> {
        const PHASE: &str = "shutdown";
        let mut client = self.session.client.clone();
        let (request, said) = overheard(v1::ShutdownRequest {});
        let answer = timeout(limit, client.shutdown(request))
            .await
            .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        let Err(status) = answer else { return Ok(()) };
        match self.session.failure(PHASE, &status, &said).await {
            GuestError::Lost { .. } => Ok(()),
            error => Err(error),
        }
    }
}

/// A request, and what the agent will have said of it.
fn overheard<T>(message: T) -> (Request<T>, Said) {
    let said = Said::default();
    let mut request = Request::new(message);
    request.extensions_mut().insert(said.clone());
    (request, said)
}

/// The connection and what keeps it.
#[derive(Debug)]
pub(super) struct Session {
    client: AgentClient<Wire>,
    hold: Hold,
}

impl Session {
    pub(super) fn new(wire: Wire, hold: Hold) -> Self {
        let client = AgentClient::with_origin(wire, Uri::from_static("http://guest"))
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES);
        Self { client, hold }
    }

    pub(super) async fn hello(
        &self,
        request: v1::HelloRequest,
        limit: Duration,
    ) -> Result<GuestHello, GuestError> {
        const PHASE: &str = "the greeting";
        let mut client = self.client.clone().max_decoding_message_size(MAX_HELLO_BYTES);
        let (request, said) = overheard(request);
        let answer = timeout(limit, client.hello(request))
            .await
            .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        match answer {
            Ok(response) => response.into_inner().try_into(),
            // Its protocol knows no other reason for this code at this point.
            Err(status) if status.code() == Code::FailedPrecondition && said.failed() => {
                Err(GuestError::Version {
                    ours: PROTOCOL_VERSION,
                    theirs: text::bounded(status.message(), text::MESSAGE_CHARACTERS),
                })
            }
            Err(status) => Err(self.failure(PHASE, &status, &said).await),
        }
    }

    /// What a failed call means: the guest's breach of the rules, its end, its silence or its words.
    pub(super) async fn failure(
        &self,
        phase: &'static str,
        status: &Status,
        said: &Said,
    ) -> GuestError {
        if let Some(what) = self.hold.breach.what() {
            return GuestError::Protocol { what: what.to_owned() };
        }
        match super::error::of_status(phase, status, said) {
            GuestError::Lost { .. } if self.hold.fell_silent().await => {
                GuestError::Silent { phase, limit: PING_TIMEOUT }
            }
            error => error,
        }
    }
}
