//! What a command is sent, in order.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use kiln_proto::agent::v1::{self, exec_request::Event};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::Stream;

use super::{flow::Flow, taken::Reports};

/// The requests of one stream: the start, then signals before stdin. They end with the command's
/// output, not with its inputs: the agent takes a stream that has ended for a host that is gone.
#[derive(Debug)]
pub(in crate::guest) struct Requests {
    start: Option<v1::ExecStart>,
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
        start: v1::ExecStart,
        controls: mpsc::Receiver<Event>,
        chunks: mpsc::Receiver<Event>,
        taken: Reports,
        flow: Flow,
    ) -> (Self, KeepOpen) {
        let (keep_open, end) = oneshot::channel();
        let start = Some(start);
        (Self { start, controls, chunks, chunk: None, flow, taken, end }, keep_open)
    }
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
        if let Poll::Ready(offset) = self.taken.poll(context) {
            return request(Event::Taken(v1::OutputTaken { offset }));
        }
        self.poll_stdin(context).map(|event| Some(v1::ExecRequest { event: Some(event) }))
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
