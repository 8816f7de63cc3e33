//! The job's side of an attachment, for its lifecycle.

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::job::TerminalSize;

/// A client that has come.
#[derive(Debug)]
pub struct Client {
    events: mpsc::Receiver<ClientEvent>,
    said: watch::Sender<Said>,
    replaced: CancellationToken,
    gone: CancellationToken,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// Contiguous from the offset of [`Client::stdin_ready`] on.
    Stdin {
        offset: u64,
        data: Bytes,
    },
    StdinClosed {
        offset: u64,
    },
    Resize(TerminalSize),
    Signal(i32),
}

/// What the client has been told, or will be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) ready: Option<u64>,
    pub(super) taken: Option<u64>,
    pub(super) interrupted: bool,
}

impl Client {
    pub(super) fn new(
        events: mpsc::Receiver<ClientEvent>,
        said: watch::Sender<Said>,
        replaced: CancellationToken,
        gone: CancellationToken,
    ) -> Self {
        Self { events, said, replaced, gone }
    }

    /// `None` when it has gone, behind all that it sent, or when another has taken its place.
    ///
    /// # Cancel safety
    /// Safe: an event is taken in the moment in which this returns.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        tokio::select! {
            biased;
            // What it still had to say is the new one's to say again.
            () = self.replaced.cancelled() => None,
            event = self.events.recv() => match event {
                Some(event) => Some(event),
                // It sends nothing more and reads on.
                None => {
                    tokio::select! {
                        () = self.replaced.cancelled() => {}
                        () = self.gone.cancelled() => {}
                    }
                    None
                }
            },
            () = self.gone.cancelled() => self.events.try_recv().ok(),
        }
    }

    /// The command takes stdin from this offset on: behind the last byte that it was sent by
    /// anybody. The first one stands.
    pub fn stdin_ready(&self, offset: u64) {
        self.said.send_if_modified(|said| {
            let first = said.ready.is_none();
            said.ready = said.ready.or(Some(offset));
            first
        });
    }

    /// So much of stdin will reach the command, whatever becomes of the attachment.
    pub fn stdin_taken(&self, offset: u64) {
        self.said.send_if_modified(|said| {
            let further = said.taken.is_none_or(|taken| taken < offset);
            if further {
                said.taken = Some(offset);
            }
            further
        });
    }

    /// The connection to the command was lost, and with it what the command had not taken: the
    /// client is to attach again.
    pub fn interrupt(self) {
        self.said.send_modify(|said| said.interrupted = true);
    }
}
