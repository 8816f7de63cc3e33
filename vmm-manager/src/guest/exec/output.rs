//! What comes out of a command.

use std::{sync::Arc, time::Duration};

use kiln_proto::agent::v1;
use tokio::time::{Instant, timeout_at};
use tonic::{Status, Streaming};

use super::{PHASE, over, requests::KeepOpen};
use crate::guest::{ExecEvent, GuestError, order::Order, said::Said, session::Session};

/// What waits for an agent's answers to one stream.
#[derive(Debug)]
pub(in crate::guest) struct Responses {
    order: Order,
    requests: KeepOpen,
}

impl Responses {
    pub(super) fn new(order: Order, requests: KeepOpen) -> Self {
        Self { order, requests }
    }

    pub(in crate::guest) fn of(
        self,
        session: Arc<Session>,
        responses: Streaming<v1::ExecResponse>,
        said: Said,
        start_by: Instant,
        start_limit: Duration,
    ) -> ExecOutput {
        let Self { order, requests } = self;
        ExecOutput {
            session,
            responses,
            said,
            failed: None,
            order,
            start_by,
            start_limit,
            requests: Some(requests),
        }
    }
}

/// What comes out of a command. Dropping it before the end ends the stream, upon which the agent
/// kills a command without an id; where a guest has stopped to read its stdin, only the end of its
/// VM does. A command with an id goes on: its output waits in the agent, then in the command's
/// pipes, until it is asked for again.
#[derive(Debug)]
pub struct ExecOutput {
    session: Arc<Session>,
    responses: Streaming<v1::ExecResponse>,
    said: Said,
    /// What ended the answers, kept while its cause is looked for.
    failed: Option<Status>,
    order: Order,
    start_by: Instant,
    start_limit: Duration,
    /// `None` once the command is over.
    requests: Option<KeepOpen>,
}

impl ExecOutput {
    /// The next event; the last is `Exited` or `Refused`, and there is nothing after an error. The
    /// guest is read no faster than this is called.
    ///
    /// # Cancel safety
    /// Safe: no event is lost.
    pub async fn next(&mut self) -> Result<ExecEvent, GuestError> {
        if self.order.is_over() {
            return Err(over());
        }
        let event = self.receive().await;
        if event.is_err() {
            self.order.end();
        }
        if self.order.is_over() {
            self.requests = None;
        }
        event
    }

    async fn receive(&mut self) -> Result<ExecEvent, GuestError> {
        if let Some(status) = &self.failed {
            return Err(self.session.failure(PHASE, status, &self.said).await);
        }
        let response = self.responses.message();
        let response = if self.order.is_fresh() {
            timeout_at(self.start_by, response)
                .await
                .map_err(|_| GuestError::Silent { phase: PHASE, limit: self.start_limit })?
        } else {
            response.await
        };
        match response {
            Ok(Some(response)) => self.order.admit(response),
            Ok(None) => {
                Err(GuestError::Protocol { what: "an exec that ended without an exit".to_owned() })
            }
            Err(status) => {
                let status = self.failed.insert(status);
                Err(self.session.failure(PHASE, status, &self.said).await)
            }
        }
    }
}
