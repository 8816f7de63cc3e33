//! A command that runs in a guest: what goes in, and what comes out.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use kiln_proto::agent::{
    MAX_CHUNK_BYTES,
    v1::{self, exec_request::Event},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};
use tokio_stream::Stream;
use tonic::Streaming;

use super::{ExecEvent, GuestError, order::Order, session::Session};

pub(super) const PHASE: &str = "exec";
/// Signals on their way to a guest that does not read.
const CONTROLS: usize = 16;

/// What goes into a command. Clones feed the same command.
#[derive(Clone, Debug)]
pub struct ExecInput {
    /// Overtakes what waits in `stdin`; what the connection has taken is not overtaken.
    control: mpsc::Sender<Event>,
    stdin: mpsc::Sender<Event>,
}

/// The input of a command, the stream of requests that it feeds, and what keeps that stream open.
pub(super) fn input(start: v1::ExecStart) -> (ExecInput, Requests, KeepOpen) {
    let (control, controls) = mpsc::channel(CONTROLS);
    let (stdin, chunks) = mpsc::channel(1);
    let (keep_open, end) = oneshot::channel();
    (
        ExecInput { control, stdin },
        Requests { start: Some(start), controls, chunks, end },
        keep_open,
    )
}

/// Says nothing, ever: that it is gone is the message.
pub(super) type KeepOpen = oneshot::Sender<Infallible>;

impl ExecInput {
    /// Waits while the guest does not read. An error means that the command is over.
    ///
    /// # Cancel safety
    /// Not safe: some of `bytes` may have been sent.
    pub async fn stdin(&self, mut bytes: Bytes) -> Result<(), GuestError> {
        while !bytes.is_empty() {
            let chunk = bytes.split_to(bytes.len().min(MAX_CHUNK_BYTES));
            send(&self.stdin, Event::Stdin(chunk)).await?;
        }
        Ok(())
    }

    /// End of file, after all that was sent before.
    pub async fn close_stdin(&self) -> Result<(), GuestError> {
        send(&self.stdin, Event::StdinClosed(v1::StdinClosed {})).await
    }

    /// To the command's own process.
    pub async fn signal(&self, number: i32) -> Result<(), GuestError> {
        send(&self.control, Event::Signal(v1::Signal { number })).await
    }

    /// SIGKILL to every process of the command.
    pub async fn kill(&self) -> Result<(), GuestError> {
        send(&self.control, Event::Kill(v1::Kill {})).await
    }
}

async fn send(channel: &mpsc::Sender<Event>, event: Event) -> Result<(), GuestError> {
    channel.send(event).await.map_err(|_| over())
}

fn over() -> GuestError {
    GuestError::Lost { phase: PHASE, cause: "the command is over".to_owned() }
}

/// The requests of one command: the start, then signals before stdin. They end with the command's
/// output, not with its inputs: the agent kills a command whose requests have ended.
#[derive(Debug)]
pub(super) struct Requests {
    start: Option<v1::ExecStart>,
    controls: mpsc::Receiver<Event>,
    chunks: mpsc::Receiver<Event>,
    end: oneshot::Receiver<Infallible>,
}

impl Stream for Requests {
    type Item = v1::ExecRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let request = |event| Poll::Ready(Some(v1::ExecRequest { event: Some(event) }));
        if let Some(start) = self.start.take() {
            return request(Event::Start(start));
        }
        if Pin::new(&mut self.end).poll(context).is_ready() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(Some(event)) = self.controls.poll_recv(context) {
            return request(event);
        }
        match self.chunks.poll_recv(context) {
            Poll::Ready(Some(event)) => request(event),
            // Nobody is left to feed it; the command goes on.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// What comes out of a command. Dropping it before the end ends the stream, upon which the agent
/// kills the command; where a guest has stopped to read its stdin, only the end of its VM does.
#[derive(Debug)]
pub struct ExecOutput {
    session: Arc<Session>,
    responses: Streaming<v1::ExecResponse>,
    order: Order,
    start_by: Instant,
    start_limit: Duration,
    /// `None` once the command is over.
    requests: Option<KeepOpen>,
}

impl ExecOutput {
    pub(super) fn new(
        session: Arc<Session>,
        responses: Streaming<v1::ExecResponse>,
        requests: KeepOpen,
        start_by: Instant,
        start_limit: Duration,
    ) -> Self {
        Self {
            session,
            responses,
            order: Order::Fresh,
            start_by,
            start_limit,
            requests: Some(requests),
        }
    }

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
            self.order = Order::Over;
        }
        if self.order.is_over() {
            self.requests = None;
        }
        event
    }

    async fn receive(&mut self) -> Result<ExecEvent, GuestError> {
        let response = self.responses.message();
        let response = match self.order {
            Order::Fresh => timeout_at(self.start_by, response)
                .await
                .map_err(|_| GuestError::Silent { phase: PHASE, limit: self.start_limit })?,
            Order::Running | Order::Over => response.await,
        };
        match response {
            Ok(Some(response)) => self.order.admit(response),
            Ok(None) => {
                Err(GuestError::Protocol { what: "an exec that ended without an exit".to_owned() })
            }
            Err(status) => Err(self.session.failure(PHASE, &status)),
        }
    }
}
