//! What a command is sent, in order.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use kiln_proto::agent::v1::{ExecRequest, OutputTaken, exec_request::Event};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;

use super::{flow::Flow, taken::Reports};

/// The requests of one stream: what opens it, then signals before stdin. They end with the command's
/// output, not with its inputs: the agent takes a stream that has ended for a host that is gone.
#[derive(Debug)]
pub(in crate::guest) struct Requests {
    opening: VecDeque<Event>,
    controls: mpsc::Receiver<Event>,
    chunks: mpsc::Receiver<Event>,
    /// Of stdin, for which there is no room yet.
    chunk: Option<Event>,
    flow: Flow,
    taken: Reports,
    end: oneshot::Receiver<Infallible>,
}

/// Says nothing, ever: that it is gone is the message.
pub(super) type KeepOpen = oneshot::Sender<Infallible>;

impl Requests {
    pub(super) fn new(
        opening: VecDeque<Event>,
        controls: mpsc::Receiver<Event>,
        chunks: mpsc::Receiver<Event>,
        taken: Reports,
        flow: Flow,
    ) -> (Self, KeepOpen) {
        let (keep_open, end) = oneshot::channel();
        (Self { opening, controls, chunks, chunk: None, flow, taken, end }, keep_open)
    }
}

impl Stream for Requests {
    type Item = ExecRequest;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let request = |event| Poll::Ready(Some(ExecRequest { event: Some(event) }));
        if let Some(event) = self.opening.pop_front() {
            return request(event);
        }
        if Pin::new(&mut self.end).poll(context).is_ready() {
            return Poll::Ready(None);
        }
        if let Poll::Ready(Some(event)) = self.controls.poll_recv(context) {
            return request(event);
        }
        if let Poll::Ready(offset) = self.taken.poll(context) {
            return request(Event::Taken(OutputTaken { offset }));
        }
        self.poll_stdin(context).map(|event| Some(ExecRequest { event: Some(event) }))
    }
}

impl Requests {
    fn poll_stdin(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        if self.chunk.is_none() {
            self.chunk = ready!(self.chunks.poll_recv(context));
        }
        if let Some(Event::Stdin(bytes)) = &self.chunk {
            ready!(self.flow.poll_send(bytes.len() as u64, context));
        }
        // Where nobody is left to feed it, the command goes on.
        self.chunk.take().map_or(Poll::Pending, Poll::Ready)
    }
}
