//! One stream to the host, with the connections on it.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use kiln_proto::agent::{MAX_CHUNK_BYTES, v1::SshFrame};
use tokio::{
    net::UnixStream,
    sync::{mpsc, watch},
};
use tokio_stream::{StreamExt as _, wrappers::ReceiverStream};
use tonic::Status;

use super::{SshStream, connection};

/// At once; an agent's client has one, for as long as a question takes.
const MAX_CONNECTIONS: usize = 64;
/// Of all connections to the host.
const FRAMES: usize = 16;
/// Of the host to one connection, before it is let go.
const WAITING: usize = 16;

pub(super) struct Stream {
    answers: mpsc::Sender<Result<SshFrame, Status>>,
    state: Mutex<State>,
    /// Set at the end: connections go with their stream.
    ended: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    /// The last one's number.
    number: u32,
    /// Where what the host says to each goes.
    connections: HashMap<u32, mpsc::Sender<Vec<u8>>>,
    ended: bool,
}

impl Stream {
    pub(super) fn new() -> (Self, SshStream) {
        let (answers, stream) = mpsc::channel(FRAMES);
        let (state, ended) = Default::default();
        (Self { answers, state, ended }, ReceiverStream::new(stream))
    }

    /// Hands on what the host says until it says nothing more; returns why.
    pub(super) async fn attend(
        &self,
        frames: impl tokio_stream::Stream<Item = Result<SshFrame, Status>>,
    ) -> Status {
        let mut frames = pin!(frames);
        let mut ended = self.ended.subscribe();
        loop {
            let frame = tokio::select! {
                frame = frames.next() => frame,
                () = self.answers.closed() => None,
                _ = ended.wait_for(|ended| *ended) => None,
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Err(status) = self.take(frame) {
                        return status;
                    }
                }
                Some(Err(status)) => return status,
                None => return Status::cancelled("the stream was closed"),
            }
        }
    }

    fn take(&self, frame: SshFrame) -> Result<(), Status> {
        let SshFrame { connection, id, data, closed } = frame;
        if !id.is_empty() {
            return Err(Status::invalid_argument("connections are opened in the guest"));
        }
        if data.len() > MAX_CHUNK_BYTES {
            return Err(Status::invalid_argument("a frame is too long"));
        }
        let mut state = self.state();
        // One that is gone already was closed before the host heard of it.
        let Some(to) = state.connections.get(&connection) else { return Ok(()) };
        let taken = data.is_empty() || to.try_send(data.to_vec()).is_ok();
        if closed || !taken {
            state.connections.remove(&connection);
        }
        Ok(())
    }

    /// One that is over the bound is let go.
    pub(super) fn connect(self: &Arc<Self>, id: &str, socket: UnixStream) {
        let (say, said) = mpsc::channel(WAITING);
        let number = {
            let mut state = self.state();
            if state.ended || state.connections.len() >= MAX_CONNECTIONS {
                return;
            }
            let Some(number) = state.number.checked_add(1) else { return };
            state.number = number;
            state.connections.insert(number, say);
            number
        };
        let (stream, id) = (Arc::clone(self), id.to_owned());
        let mut ended = self.ended.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                () = connection::relay(socket, number, id, &stream.answers, said) => {}
                _ = ended.wait_for(|ended| *ended) => {}
            }
            stream.state().connections.remove(&number);
        });
    }

    /// The host is told why, where it still listens.
    pub(super) fn end(&self, status: Status) {
        {
            let mut state = self.state();
            if std::mem::replace(&mut state.ended, true) {
                return;
            }
            state.connections.clear();
        }
        self.ended.send_replace(true);
        let answers = self.answers.clone();
        tokio::spawn(async move {
            // Behind what waits; of a host that is gone nobody waits.
            let _ = answers.send(Err(status)).await;
        });
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
