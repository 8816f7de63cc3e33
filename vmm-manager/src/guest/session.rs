//! A greeted guest.

use std::{sync::Arc, time::Duration};

use kiln_proto::agent::{
    MAX_MESSAGE_BYTES, PROTOCOL_VERSION,
    v1::{self, agent_client::AgentClient},
};
use tokio::time::{Instant, timeout, timeout_at};
use tonic::{Code, Status, codegen::http::Uri};

use super::{
    Command, ExecInput, ExecOutput, GuestError, GuestHello, exec, text,
    wire::{Hold, Wire},
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
    /// # Cancel safety
    /// Safe: the agent kills a command whose stream is reset.
    pub async fn exec(&self, command: Command) -> Result<(ExecInput, ExecOutput), GuestError> {
        let limit = command.start_limit;
        let start_by = Instant::now() + limit;
        let (input, requests, keep_open) = exec::input(command.into());
        let mut client = self.session.client.clone();
        let responses = timeout_at(start_by, client.exec(requests))
            .await
            .map_err(|_| GuestError::Silent { phase: exec::PHASE, limit })?
            .map_err(|status| self.session.failure(exec::PHASE, &status))?
            .into_inner();
        let session = Arc::clone(&self.session);
        let output = ExecOutput::new(session, responses, keep_open, start_by, limit);
        Ok((input, output))
    }

    /// Asks the guest to switch itself off. An answer that was lost with the guest is as good.
    pub async fn shut_down(&self, limit: Duration) -> Result<(), GuestError> {
        const PHASE: &str = "shutdown";
        let mut client = self.session.client.clone();
        let answer = timeout(limit, client.shutdown(v1::ShutdownRequest {}))
            .await
            .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        match answer.map_err(|status| self.session.failure(PHASE, &status)) {
            Ok(_) | Err(GuestError::Lost { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
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
        let answer = timeout(limit, client.hello(request))
            .await
            .map_err(|_| GuestError::Silent { phase: PHASE, limit })?;
        match answer {
            Ok(response) => response.into_inner().try_into(),
            // Its protocol knows no other reason for this code at this point.
            Err(status) if status.code() == Code::FailedPrecondition => Err(GuestError::Version {
                ours: PROTOCOL_VERSION,
                theirs: text::bounded(status.message(), text::MESSAGE_CHARACTERS),
            }),
            Err(status) => Err(self.failure(PHASE, &status)),
        }
    }

    /// What a failed call means: the guest's breach of the rules, its end, its silence or its words.
    pub(super) fn failure(&self, phase: &'static str, status: &Status) -> GuestError {
        if let Some(what) = self.hold.breach.what() {
            return GuestError::Protocol { what: what.to_owned() };
        }
        super::error::of_status(phase, status)
    }
}
